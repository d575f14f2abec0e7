/// A model that cannot be loaded.
public struct ModelError: Error, Equatable, CustomStringConvertible {
    /// What is wrong, without the values.
    public struct Reason: Sendable, Hashable {
        private enum Kind { case unsupportedArchitecture, unsupportedFeature, badMetadata, badTensor, outOfMemory }
        private let kind: Kind

        /// The file's architecture is not one of the families.
        public static let unsupportedArchitecture = Reason(kind: .unsupportedArchitecture)
        /// The model uses something its family does not have here.
        public static let unsupportedFeature = Reason(kind: .unsupportedFeature)
        /// A number in the file's metadata is missing or impossible.
        public static let badMetadata = Reason(kind: .badMetadata)
        /// A tensor is missing, or its shape contradicts the metadata.
        public static let badTensor = Reason(kind: .badTensor)
        /// The system has no memory for the weights.
        public static let outOfMemory = Reason(kind: .outOfMemory)
    }

    /// What is wrong.
    public let reason: Reason
    /// The name and value that were found.
    public let received: String
    /// What was expected, or what to do.
    public let remedy: String

    init(_ reason: Reason, received: String, remedy: String) {
        self.reason = reason
        self.received = received
        self.remedy = remedy
    }

    /// One line: what was found, and what to do.
    public var description: String { "\(received): \(remedy)" }
}

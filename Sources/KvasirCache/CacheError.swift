/// A cache that cannot be had as asked for.
public struct CacheError: Error, Equatable, CustomStringConvertible {
    /// What is wrong, without the values.
    public struct Reason: Sendable, Hashable {
        private enum Kind { case malformedConfiguration, impossibleLayer, overBudget, outOfMemory, spillFailed }
        private let kind: Kind

        /// The configuration text does not parse, or names an unknown codec.
        public static let malformedConfiguration = Reason(kind: .malformedConfiguration)
        /// A layer of the model cannot have the codec that was asked for.
        public static let impossibleLayer = Reason(kind: .impossibleLayer)
        /// The pool's byte budget does not hold what is needed.
        public static let overBudget = Reason(kind: .overBudget)
        /// The system gave no memory for a page.
        public static let outOfMemory = Reason(kind: .outOfMemory)
        /// The file for dropped planes cannot be made, or not be made longer.
        public static let spillFailed = Reason(kind: .spillFailed)
    }

    /// What is wrong.
    public let reason: Reason
    /// The text, codec or size that was received.
    public let received: String
    /// What is wrong with it, and what to use in its place.
    public let detail: String

    init(_ reason: Reason, received: String, detail: String) {
        self.reason = reason
        self.received = received
        self.detail = detail
    }

    /// One line: what was received, and what to do.
    public var description: String {
        reason == .malformedConfiguration ? "cache '\(received)': \(detail)" : "\(received): \(detail)"
    }
}

/// A codec name or parameter that cannot be honoured.
public struct CodecError: Error, Equatable, CustomStringConvertible {
    /// What is wrong, without the values.
    public struct Reason: Sendable, Hashable {
        private enum Kind { case unknownCodec, unknownParameter, unsupportedShape, unsupportedPart, needsCalibration }
        private let kind: Kind

        /// No codec has this name.
        public static let unknownCodec = Reason(kind: .unknownCodec)
        /// The codec has no such parameter, or not this value of it.
        public static let unknownParameter = Reason(kind: .unknownParameter)
        /// The codec does not take heads of this shape.
        public static let unsupportedShape = Reason(kind: .unsupportedShape)
        /// The codec does not take values, or not keys.
        public static let unsupportedPart = Reason(kind: .unsupportedPart)
        /// The codec needs statistics of the model that are not there.
        public static let needsCalibration = Reason(kind: .needsCalibration)
    }

    /// What is wrong.
    public let reason: Reason
    /// The name, parameter or size that was received.
    public let received: String
    /// What to use in its place.
    public let remedy: String

    /// Creates an error.
    public init(reason: Reason, received: String, remedy: String) {
        self.reason = reason
        self.received = received
        self.remedy = remedy
    }

    /// One line: what was received, and what to do.
    public var description: String {
        switch reason {
        case .unknownCodec: "'\(received)' is not a cache codec; \(remedy)"
        case .unknownParameter: "'\(received)' is not a parameter of this codec; \(remedy)"
        case .unsupportedPart, .needsCalibration: "\(received) cannot be used: \(remedy)"
        default: "\(received) is not supported by this codec; \(remedy)"
        }
    }
}

/// A sampling parameter that cannot be honoured, or logits no token can be chosen from.
public struct SamplingError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Why sampling was refused.
    public struct Reason: Sendable, Equatable {
        private enum Code { case outOfRange, unknownParameter, noCandidate }
        private let code: Code

        /// A parameter lies outside its permitted range.
        public static let outOfRange = Reason(code: .outOfRange)
        /// A decoded object holds a parameter that does not exist.
        public static let unknownParameter = Reason(code: .unknownParameter)
        /// Every logit is NaN or minus infinity.
        public static let noCandidate = Reason(code: .noCandidate)
    }

    /// Why sampling was refused.
    public let reason: Reason
    /// The parameter concerned, spelled as in JSON (`top_p`), or `logits`.
    public let parameter: String
    /// What was received.
    public let received: String
    /// What to do: the permitted range, or where to look.
    public let remedy: String

    /// One line: what was received, and what to do.
    public var description: String { "\(parameter): received \(received); \(remedy)" }
}

extension SamplingError {
    static func outOfRange(_ parameter: String, _ received: some CustomStringConvertible, permitted: String) -> Self {
        SamplingError(
            reason: .outOfRange, parameter: parameter, received: received.description, remedy: "give \(permitted)")
    }

    static func noCandidate(in logits: UnsafeBufferPointer<Float>) -> Self {
        let notANumber = logits.count(where: \.isNaN)
        return SamplingError(
            reason: .noCandidate, parameter: "logits",
            received: "\(logits.count) values: \(notANumber) NaN, \(logits.count - notANumber) minus infinity",
            remedy: "the model computed no usable output; check the weights file and the cache configuration")
    }
}

/// A request that cannot be carried out, or a file whose parts do not fit together.
public struct EngineError: Error, Equatable, CustomStringConvertible {
    /// What is wrong, without the values.
    public struct Reason: Sendable, Hashable {
        private enum Kind {
            case inconsistentFile, missingFile, unsupportedTokenizer, emptyPrompt, unknownToken, contextExceeded,
                badContext
        }
        private let kind: Kind

        /// Parts of the model file contradict each other.
        public static let inconsistentFile = Reason(kind: .inconsistentFile)
        /// A file that a model folder must have is not there.
        public static let missingFile = Reason(kind: .missingFile)
        /// The file's tokenizer is of a kind that is not supported.
        public static let unsupportedTokenizer = Reason(kind: .unsupportedTokenizer)
        /// The prompt has no tokens.
        public static let emptyPrompt = Reason(kind: .emptyPrompt)
        /// A token of the prompt is none of the model's.
        public static let unknownToken = Reason(kind: .unknownToken)
        /// The prompt does not fit the context.
        public static let contextExceeded = Reason(kind: .contextExceeded)
        /// The context length that was asked for is not possible with this model.
        public static let badContext = Reason(kind: .badContext)
    }

    /// What is wrong.
    public let reason: Reason
    /// What was received.
    public let received: String
    /// What to do.
    public let remedy: String

    init(_ reason: Reason, received: String, remedy: String) {
        self.reason = reason
        self.received = received
        self.remedy = remedy
    }

    /// One line: what was received, and what to do.
    public var description: String { "\(received): \(remedy)" }
}

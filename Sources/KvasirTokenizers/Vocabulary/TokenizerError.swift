/// Why a vocabulary could not be made into a tokenizer.
public struct TokenizerError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was wrong.
    public enum Reason: Sendable, Hashable {
        /// The pre-tokenizer's name is not one of `PreTokenizer`.
        case unsupportedPreTokenizer(String)
        /// The vocabulary has no tokens.
        case noTokens
        /// More tokens or merges than the nearly 2^24 the tokenizer counts to.
        case tooMany(what: String, count: Int)
        /// The list of token types is neither empty nor as long as that of the tokens.
        case typeCount(tokens: Int, types: Int)
        /// The list of scores is not as long as that of the tokens.
        case scoreCount(tokens: Int, scores: Int)
        /// A score is not a number.
        case badScore(id: Int)
        /// A merge is not two tokens with one space between.
        case malformedMerge(index: Int, text: String)
        /// A merge names or makes a token that the vocabulary does not have.
        case unknownTokenInMerge(index: Int, text: String, token: String)
        /// An id lies outside the vocabulary.
        case idOutOfRange(name: String, id: Int32, tokens: Int)
        /// The vocabulary asks for a token before or after every text and does not say which.
        case missingID(name: String)
        /// Text without a token would have nothing to become.
        case noFallback
    }

    /// What was wrong, for a program to act on.
    public let reason: Reason

    init(_ reason: Reason) { self.reason = reason }

    /// One line: what was received and what to do.
    public var description: String {
        switch reason {
        case .unsupportedPreTokenizer(let name):
            let known = PreTokenizer.allCases.map(\.rawValue).joined(separator: ", ")
            return "the pre-tokenizer is '\(name)', which is not supported; use a model with one of: \(known)"
        case .noTokens:
            return "the vocabulary has no tokens; use a model that comes with its vocabulary"
        case .tooMany(let what, let count):
            return
                "the vocabulary has \(count) \(what), above the limit of \(TokenTable.limit); check the model's files"
        case .typeCount(let tokens, let types):
            return "the vocabulary has \(types) token types for \(tokens) tokens; convert the model again"
        case .scoreCount(let tokens, let scores):
            return "the vocabulary has \(scores) scores for \(tokens) tokens; convert the model again"
        case .badScore(let id):
            return "the score of token \(id) is not a number; convert the model again"
        case .malformedMerge(let index, let text):
            return "merge \(index) of the vocabulary is '\(text)', not two tokens with a space between; "
                + "convert the model again"
        case .unknownTokenInMerge(let index, let text, let token):
            return "merge \(index) of the vocabulary is '\(text)', but '\(token)' is not a token; "
                + "convert the model again"
        case .idOutOfRange(let name, let id, let tokens):
            return "\(name) is \(id), outside the \(tokens) tokens; convert the model again"
        case .missingID(let name):
            return "the tokenizer wants \(name), but the model's files do not give it; convert the model again"
        case .noFallback:
            return "the vocabulary has neither a token for every byte nor one for what is unknown; "
                + "convert the model again"
        }
    }
}

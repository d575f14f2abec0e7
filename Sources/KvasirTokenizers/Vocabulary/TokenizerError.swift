/// Why a vocabulary could not be made into a tokenizer.
public struct TokenizerError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was wrong.
    public enum Reason: Sendable, Hashable {
        /// The pre-tokenizer's name is not one of `PreTokenizer`.
        case unsupportedPreTokenizer(String)
        /// The vocabulary has no tokens.
        case noTokens
        /// More tokens or merges than the 2^24 the tokenizer counts to.
        case tooMany(what: String, count: Int)
        /// The list of token types is neither empty nor as long as that of the tokens.
        case typeCount(tokens: Int, types: Int)
        /// A merge is not two tokens with one space between.
        case malformedMerge(index: Int, text: String)
        /// A merge names or makes a token that the vocabulary does not have.
        case unknownTokenInMerge(index: Int, text: String, token: String)
        /// An id lies outside the vocabulary.
        case idOutOfRange(name: String, id: Int32, tokens: Int)
        /// The vocabulary asks for a token before or after every text and does not say which.
        case missingID(name: String)
    }

    /// What was wrong, for a program to act on.
    public let reason: Reason

    init(_ reason: Reason) { self.reason = reason }

    /// One line: what was received and what to do.
    public var description: String {
        switch reason {
        case .unsupportedPreTokenizer(let name):
            let known = PreTokenizer.allCases.map(\.rawValue).joined(separator: ", ")
            return "tokenizer.ggml.pre is '\(name)', which is not supported; use a model with one of: \(known)"
        case .noTokens:
            return "tokenizer.ggml.tokens is empty; use a model file that contains its vocabulary"
        case .tooMany(let what, let count):
            return "tokenizer.ggml.\(what) has \(count) entries, above the limit of \(1 << 24); check the model file"
        case .typeCount(let tokens, let types):
            return "tokenizer.ggml.token_type has \(types) entries for \(tokens) tokens; convert the model file again"
        case .malformedMerge(let index, let text):
            return "tokenizer.ggml.merges[\(index)] is '\(text)', not two tokens with a space between; "
                + "convert the model file again"
        case .unknownTokenInMerge(let index, let text, let token):
            return "tokenizer.ggml.merges[\(index)] is '\(text)', but '\(token)' is not a token; "
                + "convert the model file again"
        case .idOutOfRange(let name, let id, let tokens):
            return "tokenizer.ggml.\(name) is \(id), outside the \(tokens) tokens; convert the model file again"
        case .missingID(let name):
            return "the tokenizer adds tokenizer.ggml.\(name) to every text, but the file does not give it; "
                + "convert the model file again"
        }
    }
}

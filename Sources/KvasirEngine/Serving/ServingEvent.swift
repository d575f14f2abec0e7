/// What happens to a request, in order: the prompt, tokens, the end.
public enum ServingEvent: Sendable {
    /// The prompt has been computed; the first token comes next.
    case prompt(PromptResult)
    /// A token was generated.
    case token(TokenResult)
    /// The text has ended; nothing follows.
    case finished(ServingSummary)
}

/// What computing a prompt gave.
public struct PromptResult: Sendable, Hashable {
    /// Tokens of the prompt.
    public let tokens: Int
    /// Those that were in the cache already.
    public let cachedTokens: Int
    /// Of every token but the first, if they were asked for; empty otherwise.
    public let logProbabilities: [LogProbabilities]

    /// Describes a prompt.
    public init(tokens: Int, cachedTokens: Int, logProbabilities: [LogProbabilities] = []) {
        self.tokens = tokens
        self.cachedTokens = cachedTokens
        self.logProbabilities = logProbabilities
    }
}

/// One generated token.
public struct TokenResult: Sendable, Hashable {
    /// The token.
    public let token: Int32
    /// The text that has become certain with it: whole characters, nothing of a stop string; often empty.
    public let text: String
    /// If they were asked for.
    public let logProbabilities: LogProbabilities?

    /// Describes a token.
    public init(token: Int32, text: String, logProbabilities: LogProbabilities? = nil) {
        self.token = token
        self.text = text
        self.logProbabilities = logProbabilities
    }
}

/// How a request ended.
public struct ServingSummary: Sendable, Hashable {
    /// Why.
    public let finishReason: FinishReason
    /// Text that was held back until the end.
    public let text: String
    /// Tokens that were generated, the one that ended the text included.
    public let tokens: Int
    /// The stop string that ended the text, if one did.
    public let stop: String?
    /// The seed that reproduces the choice.
    public let seed: UInt64

    /// Describes an end.
    public init(finishReason: FinishReason, text: String, tokens: Int, stop: String? = nil, seed: UInt64) {
        self.finishReason = finishReason
        self.text = text
        self.tokens = tokens
        self.stop = stop
        self.seed = seed
    }
}

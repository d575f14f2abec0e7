/// What to generate from a prompt.
public struct GenerationRequest: Sendable {
    /// The whole prompt, earlier turns included.
    public var prompt: [Int32]
    /// How tokens are chosen.
    public var sampling: SamplingParameters
    /// The most tokens to generate; what the context leaves if nil.
    public var maxTokens: Int?
    /// Strings that end the text; they are not part of it.
    public var stops: StopStrings

    /// Creates a request.
    public init(
        prompt: [Int32], sampling: SamplingParameters = .greedy, maxTokens: Int? = nil, stops: StopStrings = .none
    ) {
        self.prompt = prompt
        self.sampling = sampling
        self.maxTokens = maxTokens
        self.stops = stops
    }
}

/// Why a generation ended.
public enum FinishReason: String, Sendable, Hashable, Codable {
    /// The model said that it has finished, or a stop string was reached.
    case stop
    /// The most tokens were generated, or the context is full.
    case length
    /// The caller asked for it.
    case cancelled
}

/// What was generated, and what it took.
public struct GenerationResult: Sendable {
    /// The text, without a stop string.
    public var text: String
    /// The tokens, the one that ended the text included.
    public var tokens: [Int32]
    /// Why it ended.
    public var finishReason: FinishReason
    /// Tokens of the prompt.
    public var promptTokens: Int
    /// Tokens of the prompt that were in the cache already.
    public var cachedPromptTokens: Int
    /// From the start to the first token.
    public var prefillTime: Duration
    /// From the first token to the last.
    public var decodeTime: Duration
    /// The seed that reproduces the choice.
    public var seed: UInt64

    /// Prompt tokens computed per second.
    public var prefillTokensPerSecond: Double { rate(promptTokens - cachedPromptTokens, prefillTime) }

    /// Generated tokens per second, the first one (which the prefill yields) not counted.
    public var decodeTokensPerSecond: Double { rate(max(tokens.count - 1, 0), decodeTime) }

    private func rate(_ count: Int, _ time: Duration) -> Double {
        let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18
        return seconds > 0 ? Double(count) / seconds : 0
    }
}

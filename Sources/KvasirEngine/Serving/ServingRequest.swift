/// What one client wants generated, by tokens.
public struct ServingRequest: Sendable {
    /// The prompt, at least one token.
    public var prompt: [Int32]
    /// How tokens are chosen.
    public var sampling: SamplingParameters
    /// The most tokens to generate, which may be 0 where only the prompt is to be scored; what the context and the cache
    /// budget leave if nil.
    public var maxTokens: Int?
    /// Strings that end the text; they are not part of it.
    public var stops: StopStrings
    /// Whether the model may end the text by itself.
    public var endsAtEndOfText: Bool
    /// How many of the most likely tokens are listed beside each generated one; nil for no probabilities at all.
    public var topLogProbabilities: Int?
    /// The same for every token of the prompt after the first.
    public var promptLogProbabilities: Int?
    /// When the request is given up; nil for never.
    public var deadline: ContinuousClock.Instant?
    /// What limits the choice of every token; nil for nothing.
    public var constraint: (any TokenConstraint)?
    /// The session whose tokens these are, for saving it later; nil for none.
    public var session: SessionName?

    /// Creates a request.
    public init(
        prompt: [Int32], sampling: SamplingParameters = .greedy, maxTokens: Int? = nil, stops: StopStrings = .none,
        endsAtEndOfText: Bool = true, topLogProbabilities: Int? = nil, promptLogProbabilities: Int? = nil,
        deadline: ContinuousClock.Instant? = nil, constraint: (any TokenConstraint)? = nil,
        session: SessionName? = nil
    ) {
        self.prompt = prompt
        self.sampling = sampling
        self.maxTokens = maxTokens
        self.stops = stops
        self.endsAtEndOfText = endsAtEndOfText
        self.topLogProbabilities = topLogProbabilities
        self.promptLogProbabilities = promptLogProbabilities
        self.deadline = deadline
        self.constraint = constraint
        self.session = session
    }
}

/// What limits the next token, as a grammar or a schema does: a value that is advanced token by token.
public protocol TokenConstraint: Sendable {
    /// Sets the logits of every token that may not come next to minus infinity.
    ///
    /// - Parameter logits: one for every token of the vocabulary.
    mutating func mask(_ logits: UnsafeMutableBufferPointer<Float>)

    /// Takes the token that was chosen.
    mutating func accept(_ token: Int32)
}

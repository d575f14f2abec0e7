public import KvasirCache
public import KvasirTokenizers

/// What serves requests side by side: the engine as a server sees it.
public protocol ServingBackend: Sendable {
    /// The model's name, tokenizer and limits.
    var description: ServingDescription { get }

    /// What there is to report now.
    var statistics: ServingStatistics { get }

    /// Takes a request.
    ///
    /// The events come in order and end with `.finished`, or with an error: `ServingError` for a deadline, `CacheError`
    /// or `SamplingError` for what broke. Dropping the stream cancels the request within one step.
    ///
    /// - Throws: `ServingError` if the request cannot be served at all, or not now; it then has no effect.
    func submit(_ request: ServingRequest) throws(ServingError) -> AsyncThrowingStream<ServingEvent, any Error>

    /// Ends all requests, cancelled, and refuses new ones.
    func shutDown()
}

/// What does not change while a model is served.
public struct ServingDescription: Sendable {
    /// What clients call the model.
    public let name: String
    /// The model's tokenizer.
    public let tokenizer: any Tokenizer
    /// The template of conversations, or why there is none.
    public let chatTemplate: Result<ChatTemplate, ChatTemplateError>
    /// The most tokens of a sequence, prompt and answer together: the context, or less if the budget holds less.
    public let tokenCapacity: Int
    /// The cache as it was resolved.
    public let plan: CachePlan
    /// The most bytes of pages.
    public let cacheBudget: Int

    /// Describes what is served.
    public init(
        name: String, tokenizer: any Tokenizer, chatTemplate: Result<ChatTemplate, ChatTemplateError>,
        tokenCapacity: Int, plan: CachePlan, cacheBudget: Int
    ) {
        self.name = name
        self.tokenizer = tokenizer
        self.chatTemplate = chatTemplate
        self.tokenCapacity = tokenCapacity
        self.plan = plan
        self.cacheBudget = cacheBudget
    }
}

/// Counters and gauges of a backend.
public struct ServingStatistics: Sendable, Hashable {
    /// Requests that are computed.
    public var running = 0
    /// Requests that wait.
    public var waiting = 0
    /// Requests since the start, by how they ended.
    public var finished: [FinishReason: Int] = [:]
    /// Requests that were turned away because the queue was full.
    public var refused = 0
    /// Requests that ended with an error.
    public var failed = 0
    /// Times a request lost its cache to another and was computed again.
    public var preemptions = 0
    /// Tokens of prompts since the start.
    public var promptTokens = 0
    /// Those of them that were in the cache already.
    public var cachedPromptTokens = 0
    /// Tokens generated since the start.
    public var generatedTokens = 0
    /// Steps since the start.
    public var steps = 0
    /// Seconds that the steps took.
    public var stepSeconds = 0.0
    /// Bytes of pages of running sequences.
    public var sequenceBytes = 0
    /// Bytes of pages that are kept for later requests only.
    public var prefixBytes = 0
    /// The most bytes of pages there ever were.
    public var peakBytes = 0
    /// Tokens cached in running sequences.
    public var cachedTokens = 0

    /// Nothing has happened yet.
    public init() {}
}

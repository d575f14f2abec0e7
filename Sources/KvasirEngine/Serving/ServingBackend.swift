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

    /// Sessions that are kept as files; nil if there is no directory for them.
    var sessions: (any ServingSessions)? { get }

    /// Ends all requests, cancelled, and refuses new ones.
    func shutDown()
}

extension ServingBackend {
    /// None.
    public var sessions: (any ServingSessions)? { nil }
}

/// Caches of sequences that are kept as files.
public protocol ServingSessions: Sendable {
    /// Saves what is cached of a sequence of tokens, in whole pages.
    ///
    /// - Parameters:
    ///   - name: what the session is called; one of that name is replaced.
    ///   - tokens: the sequence; that of the last request with the session's name if nil.
    /// - Throws: `SessionError`; a session of that name is then what it was.
    func save(_ name: SessionName, tokens: [Int32]?) async throws(SessionError) -> SavedSession

    /// Puts the pages of a session where the next request with its tokens finds them.
    ///
    /// - Throws: `SessionError` if there is none, it cannot be used here, or there is no room; nothing has then changed.
    func restore(_ name: SessionName) async throws(SessionError) -> SessionRecord

    /// Removes a session; what was restored of it stays.
    ///
    /// - Throws: `SessionError` if there is none.
    func erase(_ name: SessionName) async throws(SessionError)

    /// The sessions there are.
    func list() async -> [SessionRecord]
}

/// What has been saved.
public struct SavedSession: Sendable, Hashable {
    /// The session.
    public let record: SessionRecord
    /// Tokens of the sequence: those of the last page that is not full are not saved.
    public let sequenceTokens: Int

    /// Describes what has been saved.
    public init(record: SessionRecord, sequenceTokens: Int) {
        self.record = record
        self.sequenceTokens = sequenceTokens
    }
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
    /// Bytes of the longest token: a text of more bytes than so many for each token of a sequence cannot fit.
    public let longestTokenBytes: Int

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
        longestTokenBytes =
            (0..<Int32(tokenizer.vocabularySize)).reduce(1) { max($0, tokenizer.tokenBytes($1)?.count ?? 0) }
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

internal import KvasirCache
internal import KvasirTokenizers

/// A request while it is served: its tokens, its cache, and what has been said of it.
final class ActiveRequest {
    let id: Scheduler.ID
    let request: ServingRequest
    let events: AsyncThrowingStream<ServingEvent, any Error>.Continuation
    /// The most tokens to generate.
    let limit: Int
    /// The prompt, and what was generated.
    private(set) var tokens: [Int32]
    /// The cache; nil while the request waits.
    var sequence: CacheSequence?
    /// Pages that the prefix cache knows already.
    var insertedPages = 0
    /// Tokens that were found in memory when it was first computed; nil before.
    var takenOver: Int?
    /// Of the prompt so far.
    var promptLogProbabilities: [LogProbabilities] = []

    private var sampler: Sampler
    private var constraint: (any TokenConstraint)?
    private var output: TextOutput
    private var hasPrompt = false
    /// Tokens of the prompt that were found in memory.
    private var cachedPromptTokens = 0

    init(
        _ id: Scheduler.ID, _ request: ServingRequest, limit: Int, tokenizer: any Tokenizer, vocabularySize: Int,
        events: AsyncThrowingStream<ServingEvent, any Error>.Continuation
    ) throws(SamplingError) {
        self.id = id
        self.request = request
        self.limit = limit
        self.events = events
        tokens = request.prompt
        sampler = try Sampler(request.sampling, vocabularySize: vocabularySize)
        constraint = request.constraint
        output = TextOutput(tokenizer, stops: request.stops)
    }

    /// Tokens that were generated.
    var generated: Int { tokens.count - request.prompt.count }

    /// Whether prefixes may be taken from memory: not where the probabilities of the whole prompt are wanted.
    var reusesPrefixes: Bool { request.promptLogProbabilities == nil || hasPrompt }

    /// What came of a token's logits.
    enum Outcome {
        case goesOn
        case ended(FinishReason)
    }

    /// Counts tokens that were found in memory.
    func found(_ tokens: Int) {
        if !hasPrompt { cachedPromptTokens += tokens }
    }

    /// Gives the cache back; what was said of a prompt that has not been reported will be said again.
    func loseCache() {
        sequence = nil
        insertedPages = 0
        guard !hasPrompt else { return }
        cachedPromptTokens = 0
        promptLogProbabilities = []
    }

    /// Reports the prompt, once; a request that is computed again has been reported.
    ///
    /// - Returns: tokens of it that were found in memory, the first time.
    func finishPrompt() -> Int {
        guard !hasPrompt else { return 0 }
        hasPrompt = true
        events.yield(
            .prompt(
                PromptResult(
                    tokens: request.prompt.count, cachedTokens: cachedPromptTokens,
                    logProbabilities: promptLogProbabilities)))
        promptLogProbabilities = []
        return cachedPromptTokens
    }

    /// Chooses the next token and reports it.
    ///
    /// - Parameter logits: of the last token; changed if a constraint masks them.
    /// - Throws: `SamplingError` if there is nothing to choose.
    func choose(_ logits: UnsafeMutableBufferPointer<Float>, endOfGeneration: Set<Int32>) throws(SamplingError)
        -> Outcome
    {
        // Probabilities are the model's own: those before a constraint.
        var probabilities: [Float] = []
        if request.topLogProbabilities != nil, constraint != nil { probabilities = Array(logits) }
        constraint?.mask(logits)
        let token = try tokens.withUnsafeBufferPointer { (history) throws(SamplingError) in
            try sampler.next(
                logits: UnsafeBufferPointer(logits).span, history: history.span, promptCount: request.prompt.count)
        }
        constraint?.accept(token)
        var logProbabilities: LogProbabilities?
        if let count = request.topLogProbabilities {
            if probabilities.isEmpty {
                logProbabilities = try LogProbabilities(
                    logits: UnsafeBufferPointer(logits).span, chosen: token, topCount: count)
            } else {
                logProbabilities = try LogProbabilities(logits: probabilities.span, chosen: token, topCount: count)
            }
        }
        tokens.append(token)
        let isEnd = request.endsAtEndOfText && endOfGeneration.contains(token)
        let text = isEnd ? "" : output.append(token)
        events.yield(.token(TokenResult(token: token, text: text, logProbabilities: logProbabilities)))
        if isEnd || output.isStopped { return .ended(.stop) }
        return generated >= limit ? .ended(.length) : .goesOn
    }

    /// Reports the end.
    func finish(_ reason: FinishReason) {
        let rest = output.finish()
        events.yield(
            .finished(
                ServingSummary(
                    finishReason: reason, text: rest, tokens: generated, stop: output.stop, seed: sampler.seed)))
        events.finish()
    }
}

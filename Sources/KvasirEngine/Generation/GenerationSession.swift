public import KvasirCache
internal import KvasirCodecs
internal import KvasirModels
internal import KvasirTokenizers

/// One sequence that is continued from call to call: a conversation, or a single prompt.
///
/// What a new prompt has in common with the tokens already cached is not computed again.
public final class GenerationSession {
    /// The engine that runs the steps.
    public let engine: InferenceEngine
    /// The cached tokens.
    public let sequence: CacheSequence
    /// The ids of the cached tokens.
    public private(set) var cachedTokens: [Int32] = []

    private var logits: [Float]

    /// Creates a session with nothing cached.
    public init(_ engine: InferenceEngine) {
        self.engine = engine
        sequence = engine.makeSequence()
        logits = [Float](repeating: 0, count: engine.vocabularySize)
    }

    /// Forgets everything and gives the pages back.
    public func reset() {
        cachedTokens.removeSubrange(sequence.truncate(to: 0)...)
    }

    /// Puts a saved session's tokens and pages in the place of what is cached.
    ///
    /// - Throws: `CacheError` if the budget has no room for them; nothing is then cached.
    public func restore(_ image: SessionImage) throws(CacheError) {
        reset()
        let snapshot = try CacheSnapshot(copying: image.pages, layout: image.layout, pool: engine.pool)
        sequence.adopt(snapshot.pages, sides: snapshot.sides)
        cachedTokens = image.tokens
    }

    /// Saves the full pages of what is cached.
    ///
    /// - Parameters:
    ///   - name: what the session is called; one of that name is replaced.
    ///   - store: where it is kept.
    ///   - identity: of the engine.
    /// - Throws: `SessionError` if no page is full, the cache has windows and does not end with a page, or the file cannot be
    ///   written.
    public func save(
        _ name: SessionName, to store: SessionStore, identity: SessionIdentity
    ) throws(SessionError) -> SessionRecord {
        guard let snapshot = CacheSnapshot(sequence), snapshot.tokens > 0 else {
            throw SessionError(
                .nothingToSave, received: "session '\(name)': \(sequence.count) tokens are cached",
                remedy:
                    "a session is whole pages of \(PageGeometry.tokens) tokens, and ends with one where the cache has windows"
            )
        }
        return try store.save(
            name, snapshot, tokens: Array(cachedTokens.prefix(snapshot.tokens)), identity: identity)
    }

    /// Generates text after a prompt.
    ///
    /// - Parameters:
    ///   - request: the prompt and how to go on from it.
    ///   - onText: called with text as it becomes certain: whole characters, nothing of a stop string.
    ///   - isCancelled: asked before every step.
    /// - Returns: what was generated, also if it was cancelled.
    /// - Throws: `EngineError` if the prompt is empty or does not fit the context, `CacheError` if the budget does not
    ///   hold prompt and tokens to generate (before any is computed) or the pool has no room,
    ///   `SamplingError` if the model's output has no choosable token. The session can be used again.
    public func generate(
        _ request: GenerationRequest, onText: (String) -> Void = { _ in }, isCancelled: () -> Bool = { false }
    ) throws -> GenerationResult {
        var sampler = try Sampler(request.sampling, vocabularySize: engine.vocabularySize)
        let clock = ContinuousClock()
        let start = clock.now
        let limit = try tokenLimit(of: request)
        let cached = try begin(request.prompt)
        var result = GenerationResult(
            text: "", tokens: [], finishReason: .cancelled, promptTokens: request.prompt.count,
            cachedPromptTokens: cached, prefillTime: .zero, decodeTime: .zero, seed: sampler.seed)
        let finished: Bool
        do {
            finished = try engine.prefill(request.prompt[cached...], into: sequence, isCancelled: isCancelled)
        } catch {
            // The chunks that were run stay cached; what is counted must be what is known.
            cachedTokens = Array(request.prompt.prefix(sequence.count))
            throw error
        }
        cachedTokens = Array(request.prompt.prefix(sequence.count))
        guard finished else {
            result.prefillTime = clock.now - start
            return result
        }

        var output = TextOutput(engine.model.tokenizer, stops: request.stops)
        var history = request.prompt
        var row = engine.lastRow
        var firstToken: ContinuousClock.Instant?
        result.finishReason = .length
        while result.tokens.count < limit {
            if isCancelled() {
                result.finishReason = .cancelled
                break
            }
            let token = try nextToken(row: row, sampler: &sampler, history: history, prompt: request.prompt.count)
            if firstToken == nil { firstToken = clock.now }
            result.tokens.append(token)
            history.append(token)
            if engine.model.tokenizer.endOfGenerationIDs.contains(token) {
                result.finishReason = .stop
                break
            }
            emit(output.append(token), onText)
            if output.isStopped {
                result.finishReason = .stop
                break
            }
            guard result.tokens.count < limit else { break }
            try engine.run(ForwardStep([.init(sequence: sequence, tokens: [token])]))
            cachedTokens.append(token)
            row = 0
        }
        emit(output.finish(), onText)
        result.text = output.text
        let end = clock.now
        result.prefillTime = (firstToken ?? end) - start
        result.decodeTime = firstToken.map { end - $0 } ?? .zero
        return result
    }

    /// The most tokens a request can generate.
    ///
    /// A number that was asked for has to fit the budget, so that nothing ends half-way; without one, what fits is used.
    private func tokenLimit(of request: GenerationRequest) throws -> Int {
        let prompt = request.prompt.count
        try engine.check(prompt, received: "prompt")
        guard let maxTokens = request.maxTokens else {
            try engine.checkRoom(forTokens: prompt)
            return engine.tokenCapacity - prompt
        }
        let limit = min(maxTokens, engine.contextLength - prompt)
        try engine.checkRoom(forTokens: prompt + limit)
        return limit
    }

    /// Cuts the cache back to what the prompt begins with and returns that many tokens.
    ///
    /// The last token of the prompt is always computed: its logits are wanted.
    private func begin(_ prompt: [Int32]) throws(EngineError) -> Int {
        guard !prompt.isEmpty else {
            throw EngineError(.emptyPrompt, received: "prompt without tokens", remedy: "give at least one")
        }
        let common = zip(cachedTokens, prompt).prefix { $0 == $1 }.count
        // With windows the cache may have to go back further.
        let kept = sequence.truncate(to: min(common, prompt.count - 1))
        cachedTokens.removeSubrange(kept...)
        return kept
    }

    private func emit(_ text: String, _ onText: (String) -> Void) {
        if !text.isEmpty { onText(text) }
    }

    private func nextToken(
        row: Int, sampler: inout Sampler, history: [Int32], prompt: Int
    ) throws -> Int32 {
        try logits.withUnsafeMutableBufferPointer { logits in
            engine.logits(rows: row..<row + 1, into: logits)
            return try sampler.next(
                logits: UnsafeBufferPointer(logits).span, history: history.span, promptCount: prompt)
        }
    }
}

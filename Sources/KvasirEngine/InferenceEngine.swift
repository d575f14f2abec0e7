public import KvasirCache
internal import KvasirCodecs
public import KvasirModels
public import KvasirNumerics

/// A loaded model with a cache: runs steps of one or many sequences.
///
/// Used by one thread at a time; inside a step it uses all threads of its pool.
public final class InferenceEngine {
    /// The model.
    public let model: LanguageModel
    /// The cache as resolved for the model.
    public let plan: CachePlan
    /// Where the sequences' pages come from.
    public let pool: PagePool
    /// The most tokens a sequence may hold.
    public let contextLength: Int
    /// The threads that every step uses.
    public let threads: ThreadPool

    /// The kernels of the model and of the cache.
    public let instructionSets: [InstructionSet]
    /// How linear layers multiply.
    public var precision: LinearPrecision { operations.precision }

    /// SHA-256 of the calibration files that the cache and the weights were made with, ascending.
    let calibrationDigests: [String]

    private let operations: Operations
    private let workspace: DecoderWorkspace

    /// Tokens of a prompt that go through the model together: enough to share every weight that is read, few enough
    /// that the activations of a step stay small beside the cache.
    public static let prefillChunk = 128

    /// Resolves the cache of a model; takes no cache memory yet.
    ///
    /// - Parameters:
    ///   - model: the model.
    ///   - cache: the codecs for keys and values.
    ///   - contextLength: the most tokens a sequence may hold; the model's own limit if nil.
    ///   - cacheBudget: the most bytes the pages of all sequences may take.
    ///   - threads: the pool that every step uses.
    ///   - instructionSet: which kernels.
    ///   - precision: how linear layers multiply.
    ///   - cacheInstructionSet: kernels of the cache alone, for comparing the fast ones with their plain twins; as
    ///     `instructionSet` if nil.
    /// - Throws: `CacheError` if the model's heads do not suit a codec; `EngineError` if the context is not possible;
    ///   `CalibrationError` if a codec needs a calibration and its file is damaged or another model's.
    public init(
        model: LanguageModel, cache: CacheConfiguration = .default, contextLength: Int? = nil,
        cacheBudget: Int = .max, threads: ThreadPool, instructionSet: InstructionSet,
        precision: LinearPrecision = .int8, cacheInstructionSet: InstructionSet? = nil
    ) throws {
        let info = model.decoder.info
        self.model = model
        self.threads = threads
        instructionSets = [instructionSet, cacheInstructionSet ?? instructionSet]
        self.contextLength = try Self.contextLength(contextLength, for: info)
        var statistics = try model.statistics(for: cache)
        var warnings: [String] = []
        if statistics.queryNorms.isEmpty, cache.calibrations.contains(.queryNorms) {
            statistics.queryNorms = try model.shortQueryNorms(threads: threads, instructionSet: instructionSet)
            warnings.append(
                "how long the model's queries are was measured on a short built-in text; 'kvasir calibrate qaq' measures "
                    + "it once, on more")
        }
        plan = try CachePlan(
            cache, shape: info.cacheShape, statistics: statistics,
            instructionSet: cacheInstructionSet ?? instructionSet, warnings: warnings)
        calibrationDigests = try model.calibrationDigests(for: cache)
        pool = PagePool(plan: plan, budget: cacheBudget)
        operations = Operations(plan: plan, instructionSet: instructionSet, threads: threads, precision: precision)
        workspace = DecoderWorkspace(info)
    }

    /// Returns the context length that was asked for, or the model's own limit if none was.
    ///
    /// - Throws: `EngineError` if the model was not made for it.
    public static func contextLength(_ wanted: Int?, for info: ModelInfo) throws(EngineError) -> Int {
        let length = wanted ?? info.contextLength
        guard length >= 1, length <= info.contextLength else {
            throw EngineError(
                .badContext, received: "context of \(length) tokens",
                remedy: "this model was made for 1 to \(info.contextLength)")
        }
        return length
    }

    /// The most tokens one sequence can come to: the context, or less if the budget holds less.
    public var tokenCapacity: Int { min(contextLength, pool.tokenCapacity(inStepsOf: Self.prefillChunk)) }

    /// Tokens of the vocabulary: the length of a row of logits.
    public var vocabularySize: Int { model.decoder.info.vocabularySize }

    /// Bytes of everything a step needs beside weights and pages.
    public var workBytes: Int { operations.workBytes + workspace.byteCount }

    /// Sees the inputs of all linear layers of every step, for calibration; nil for none.
    public var inputMaxima: InputMaxima? {
        get { operations.inputMaxima }
        set { operations.inputMaxima = newValue }
    }

    /// Sees the queries of all layers of every step, for calibration; nil for none.
    var queryNorms: QueryNorms? {
        get { operations.queryNorms }
        set { operations.queryNorms = newValue }
    }

    /// Creates a sequence without tokens.
    public func makeSequence() -> CacheSequence { CacheSequence(plan: plan, pool: pool) }

    /// Runs one step: the new tokens of every segment are stored in its sequence.
    ///
    /// - Throws: `CacheError` if the pool has no room, `EngineError` if a sequence would exceed the context or a token is none
    ///   of the vocabulary; no sequence has other tokens then.
    public func run(_ step: ForwardStep) throws {
        for segment in step.segments {
            try check(segment.sequence.count + segment.tokens.count, received: "sequence")
            try check(segment.tokens[...])
        }
        do {
            for segment in step.segments { try segment.sequence.reserve(segment.tokens.count) }
        } catch {
            // Back go the pages of the segments that did find room.
            for segment in step.segments { segment.sequence.releaseUnused() }
            throw error
        }
        model.decoder.forward(step, operations, workspace)
    }

    /// Computes the logits of some rows of the last step: rows x vocabulary.
    public func logits(rows: Range<Int>, into logits: UnsafeMutableBufferPointer<Float>) {
        model.decoder.logits(rows: rows, operations, workspace, into: logits)
    }

    /// Runs a prompt in chunks, so that what is beside the cache does not grow with its length.
    ///
    /// - Parameters:
    ///   - tokens: the prompt, at least one token.
    ///   - sequence: where it is stored.
    ///   - isCancelled: asked before every chunk.
    /// - Returns: whether the whole prompt was run; if so, the last row of the last step is its last token.
    /// - Throws: as `run`; the sequence then holds the chunks that were run before.
    @discardableResult
    public func prefill(
        _ tokens: ArraySlice<Int32>, into sequence: CacheSequence, isCancelled: () -> Bool = { false }
    ) throws -> Bool {
        guard !tokens.isEmpty else {
            throw EngineError(.emptyPrompt, received: "prompt without tokens", remedy: "give at least one")
        }
        try check(sequence.count + tokens.count, received: "prompt")
        try check(tokens)
        // Room for all of it first: a budget that is too small shows before any work is done.
        try sequence.reserve(tokens.count, inStepsOf: Self.prefillChunk)
        var rest = tokens
        while !rest.isEmpty {
            if isCancelled() {
                // Back go the pages of what was not run: someone else may be waiting for them.
                sequence.releaseUnused()
                return false
            }
            // Cut at absolute positions, so that a sequence continued from a shared prefix meets the same cuts.
            let room = Self.prefillChunk - sequence.count % Self.prefillChunk
            let chunk = rest.prefix(room)
            try run(ForwardStep([.init(sequence: sequence, tokens: Array(chunk))]))
            rest = rest.dropFirst(chunk.count)
            lastRow = chunk.count - 1
        }
        return true
    }

    /// The row of the last token that `prefill` ran.
    public private(set) var lastRow = 0

    private func check(_ tokens: ArraySlice<Int32>) throws(EngineError) {
        guard let unknown = tokens.first(where: { $0 < 0 || $0 >= vocabularySize }) else { return }
        throw EngineError(
            .unknownToken, received: "token \(unknown)",
            remedy: "the model's tokens are 0 to \(vocabularySize - 1); encode the text with the model's tokenizer")
    }

    /// Checks that the cache budget holds a sequence of `tokens` tokens.
    func checkRoom(forTokens tokens: Int) throws(CacheError) {
        try pool.checkRoom(forTokens: tokens, inStepsOf: Self.prefillChunk)
    }

    /// Checks that `tokens` tokens fit the context.
    func check(_ tokens: Int, received: String) throws(EngineError) {
        guard tokens <= contextLength else {
            throw EngineError(
                .contextExceeded, received: "\(received) of \(tokens) tokens",
                remedy: "the context holds \(contextLength); shorten it, or raise the context up to the model's limit")
        }
    }
}

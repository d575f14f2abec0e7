internal import KvasirCache
public import KvasirEngine
internal import KvasirModels

/// Whether earlier tokens are kept, and how.
public enum ServingMode: String, Sendable, Hashable, Codable {
    /// Every token is made by running prompt and text so far anew.
    case recomputed
    /// Keys and values are cached.
    case cached
}

/// Speed and memory of many sequences that generate together: table 4 and figures 8 and 9 of the NQKV paper.
///
/// Timed is everything from the prompts to the last token. Without a cache every step runs all sequences anew, one after
/// the other, and so really recomputes; steps at a few lengths, evenly spread over the generation, stand for all, since a
/// whole generation would take hours and tell the same.
public struct ServingBenchmark: Sendable, Hashable {
    /// Sequences together.
    public let batches: [Int]
    /// Tokens of every prompt.
    public let lengths: [Int]
    /// Tokens that every sequence generates.
    public let tokens: Int

    /// Steps that are timed without a cache.
    public static let recomputedSteps = 3
    /// The most sequences.
    public static let mostSequences = 1024

    /// Creates a benchmark.
    ///
    /// - Throws: `EvaluationError` if a list is empty or a number out of its range.
    public init(batches: [Int], lengths: [Int], tokens: Int) throws(EvaluationError) {
        func check(_ condition: Bool, _ received: String, _ remedy: String) throws(EvaluationError) {
            if !condition { throw EvaluationError(received: received, remedy: remedy) }
        }
        try check(!batches.isEmpty, "no batches", "give at least one, as in 8,32")
        try check(!lengths.isEmpty, "no lengths", "give at least one, as in 128,512")
        for batch in batches {
            try check(
                1...Self.mostSequences ~= batch, "batch of \(batch) sequences", "use 1 to \(Self.mostSequences)")
        }
        for length in lengths { try check(length >= 1, "prompts of \(length) tokens", "use at least 1") }
        try check(tokens >= 1, "\(tokens) tokens to generate", "generate at least 1")
        self.batches = batches
        self.lengths = lengths
        self.tokens = tokens
    }

    /// Times every batch and length, without a cache and with each.
    ///
    /// - Parameters:
    ///   - text: prompts are cut from it.
    ///   - engines: engines of one model that differ in their caches.
    ///   - exact: the engine that recomputes; its cache serves a single pass.
    ///   - run: keeps the cells that are done.
    /// - Returns: for every batch and length the recomputed cell, then those of the engines.
    /// - Throws: `EvaluationError` if prompt and text exceed a context or the text does not give a prompt for each sequence;
    ///   `EvaluationCancelled`; what an engine throws.
    public func run(
        text: [UInt8], engines: [InferenceEngine], recomputing exact: InferenceEngine,
        run: EvaluationRun = EvaluationRun()
    ) throws -> [ServingResult] {
        for engine in [exact] + engines {
            for length in lengths {
                guard length <= engine.contextLength - tokens else {
                    throw EvaluationError(
                        received: "prompts of \(length) tokens and \(tokens) to generate",
                        remedy: "the engine's context holds \(engine.contextLength); use shorter ones")
                }
            }
        }
        run.begin(units: batches.count * lengths.count * (engines.count + 1))
        var results: [ServingResult] = []
        for batch in batches {
            for length in lengths {
                // Room for the tokens that recomputed steps stand after.
                let prompts = try GenerationPrompts.cut(
                    text, count: batch, length: length + tokens, model: exact.model)
                let name = "batch \(batch), length \(length)"
                results.append(
                    try run.unit("\(name), recomputed") { try recompute(prompts, length: length, engine: exact) })
                for (index, engine) in engines.enumerated() {
                    results.append(
                        try run.unit("\(name), cache \(index)") {
                            try generate(prompts.map { Array($0[..<length]) }, engine: engine)
                        })
                }
            }
        }
        return results
    }

    private func generate(_ prompts: [[Int32]], engine: InferenceEngine) throws -> ServingResult {
        let ((bytes, time), peak) = try PeakMemory.during {
            let sequences = prompts.map { _ in engine.makeSequence() }
            let time = try ContinuousClock().measure {
                let logits = LogitRows(engine: engine, rows: prompts.count)
                var next: [Int32] = []
                for (sequence, prompt) in zip(sequences, prompts) {
                    try engine.prefill(prompt[...], into: sequence)
                    next += try logits.tops(engine.lastRow..<engine.lastRow + 1)
                }
                // The first token is the prompt's.
                for _ in 1..<max(tokens, 1) {
                    let step = ForwardStep(
                        zip(sequences, next).map { .init(sequence: $0, tokens: [$1]) })
                    try engine.run(step)
                    next = try logits.tops(0..<sequences.count)
                }
            }
            return (sequences.reduce(0) { $0 + $1.bytes }, time)
        }
        return ServingResult(
            mode: .cached, cache: engine.plan.configuration.description, batch: prompts.count,
            length: prompts[0].count, tokens: tokens, seconds: time / .seconds(1), cacheBytes: bytes, peak: peak)
    }

    /// - Parameter texts: prompts with the tokens after them, of which a step sees as many as it stands after.
    private func recompute(_ texts: [[Int32]], length: Int, engine: InferenceEngine) throws -> ServingResult {
        let steps = min(Self.recomputedSteps, tokens)
        let ((bytes, seconds), peak) = try PeakMemory.during {
            let logits = LogitRows(engine: engine, rows: 1)
            var (largest, seconds) = (0, 0.0)
            for step in 0..<steps {
                let end = length + (2 * step + 1) * tokens / (2 * steps)
                let time = try ContinuousClock().measure {
                    for text in texts {
                        let sequence = engine.makeSequence()
                        try engine.prefill(text[..<end], into: sequence)
                        _ = try logits.tops(engine.lastRow..<engine.lastRow + 1)
                        largest = max(largest, sequence.bytes)
                    }
                }
                seconds += time / .seconds(1)
            }
            return (largest, seconds / Double(steps) * Double(tokens))
        }
        return ServingResult(
            mode: .recomputed, cache: nil, batch: texts.count, length: length, tokens: tokens, seconds: seconds,
            cacheBytes: bytes, peak: peak)
    }
}

extension LogitRows {
    /// The most probable token of every row.
    fileprivate func tops(_ rows: Range<Int>) throws -> [Int32] {
        var tops: [Int32] = []
        try forEach(rows: rows) { _, logits in
            var top = 0
            for index in logits.indices where logits[index] > logits[top] { top = index }
            tops.append(Int32(top))
        }
        return tops
    }
}

/// One batch of one length in one mode.
public struct ServingResult: Sendable, Hashable, Codable {
    /// Whether earlier tokens were kept.
    public let mode: ServingMode
    /// The cache; nil where there was none.
    public let cache: String?
    /// Sequences together.
    public let batch: Int
    /// Tokens of every prompt.
    public let length: Int
    /// Tokens every sequence generated.
    public let tokens: Int
    /// From the prompts to the last token of all sequences; without a cache from the mean of a few steps.
    public let seconds: Double
    /// Bytes of the pages of all sequences in the end; without a cache those of one pass over one sequence.
    public let cacheBytes: Int
    /// The most memory that the process held; nil where the system does not tell.
    public let peakBytes: Int?
    /// Whether that is of this cell alone, and not of the process so far.
    public let isPeakOfCell: Bool

    init(
        mode: ServingMode, cache: String?, batch: Int, length: Int, tokens: Int, seconds: Double, cacheBytes: Int,
        peak: PeakMemory?
    ) {
        self.mode = mode
        self.cache = cache
        self.batch = batch
        self.length = length
        self.tokens = tokens
        self.seconds = seconds
        self.cacheBytes = cacheBytes
        peakBytes = peak?.bytes
        isPeakOfCell = peak?.isOfMeasurementAlone ?? false
    }

    /// Generated tokens of all sequences per second.
    public var tokensPerSecond: Double { Double(batch * tokens) / seconds }
}

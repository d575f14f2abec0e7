internal import Foundation
internal import KvasirCache
public import KvasirEngine
internal import KvasirModels

/// Perplexity of a text by windows, each run from an empty cache.
///
/// Which predictions are scored, and how they are weighed, is the window form's: see `WindowForm`. By default the prompt's
/// own attention reads the cache, so what is measured includes the codec.
public struct PerplexityEvaluation: Sendable {
    /// Tokens of a window.
    public let context: Int
    /// Windows to score; all that the text fills if nil.
    public let windows: Int?
    /// How the text is cut.
    public let form: WindowForm

    /// Rows whose logits are held at a time.
    private static let rowsAtATime = 32

    /// Creates an evaluation.
    ///
    /// - Throws: `EvaluationError` if a window has fewer than 4 tokens, the number of windows is not positive, or the stride
    ///   is not 2 to `context`.
    public init(context: Int, windows: Int? = nil, form: WindowForm = .separate) throws(EvaluationError) {
        try ScoredWindows.check(context: context, count: windows, form: form)
        self.context = context
        self.windows = windows
        self.form = form
    }

    /// Scores a text with one engine.
    ///
    /// - Parameters:
    ///   - text: the bytes of the text, as they are.
    ///   - engine: the model and the cache to measure.
    ///   - exact: for exact prompts, the same model with an f32 cache; nil where the prompt's attention reads the cache.
    ///   - run: keeps the windows that are done.
    /// - Throws: `EvaluationError` if a window exceeds the engine's context or the text does not fill one;
    ///   `EvaluationCancelled`; whatever the engine throws.
    public func run(
        text: [UInt8], engine: InferenceEngine, exact: InferenceEngine? = nil, run: EvaluationRun = EvaluationRun()
    ) throws -> PerplexityResult {
        try self.run(text: text, engines: [engine], exact: exact, run: run)[0]
    }

    /// Scores a text with several engines of one model, window by window.
    ///
    /// - Returns: a result for every engine.
    /// - Throws: as with one engine.
    public func run(
        text: [UInt8], engines: [InferenceEngine], exact: InferenceEngine? = nil, run: EvaluationRun = EvaluationRun()
    ) throws -> [PerplexityResult] {
        guard let first = engines.first else { return [] }
        let pieces = try ScoredWindows(text, context: context, count: windows, form: form, engine: first)
        let logits = engines.map { LogitRows(engine: $0, rows: Self.rowsAtATime) }
        var results = engines.map { _ in PerplexityResult(context: context) }
        run.begin(units: pieces.count * engines.count)
        for window in 0..<pieces.count {
            let piece = pieces[window]
            for (index, engine) in engines.enumerated() {
                let score: WindowScore = try run.unit("window \(window), cache \(index)") {
                    try self.score(piece, engine: engine, exact: exact, logits: logits[index])
                }
                results[index].add(score, weight: piece.weight)
            }
            let perplexities = results.map { String(format: "%.3f", $0.perplexity) }
            run.detail = "perplexity " + perplexities.joined(separator: ", ")
        }
        return results
    }

    private func score(
        _ window: ScoredWindow, engine: InferenceEngine, exact: InferenceEngine?, logits: LogitRows
    ) throws -> WindowScore {
        let sequence = engine.makeSequence()
        var start = 0
        if let exact {
            start = window.promptLength
            try ExactPrefill(into: engine, exact: exact).run(window.tokens[..<start], into: sequence)
        }
        var losses: [Double] = []
        for chunk in WindowChunks.ranges(from: start, to: window.tokens.count) {
            try engine.run(ForwardStep([.init(sequence: sequence, tokens: Array(window.tokens[chunk]))]))
            try logits.forEach(rows: window.rows(in: chunk)) { row, logits in
                let target = window.tokens[chunk.lowerBound + row + 1]
                losses.append(
                    -Double(try LogProbabilities(logits: logits, chosen: target, topCount: 0).chosen.logProbability))
            }
        }
        return WindowScore(losses: losses, cacheBytes: sequence.bytes, bits: MeasuredBits(sequence))
    }
}

/// The steps in which a window runs.
enum WindowChunks {
    /// Positions `start..<end` cut at multiples of the engine's chunk, as a prompt is.
    static func ranges(from start: Int, to end: Int) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var position = start
        while position < end {
            let next = min((position / InferenceEngine.prefillChunk + 1) * InferenceEngine.prefillChunk, end)
            ranges.append(position..<next)
            position = next
        }
        return ranges
    }
}

/// What one window gives: the unit of work of an evaluation of perplexity.
struct WindowScore: Codable {
    /// Negative log-likelihoods of the scored tokens, in nats.
    let losses: [Double]
    /// Bytes of the window's pages.
    let cacheBytes: Int
    /// The bits of its values, where they follow attention.
    let bits: MeasuredBits?
}

/// What an evaluation of perplexity gives.
public struct PerplexityResult: Sendable, Hashable {
    /// Tokens of a window.
    public let context: Int
    /// Windows scored.
    public internal(set) var windows = 0
    /// Predictions scored.
    public private(set) var tokens = 0
    /// The most bytes of cache that a window took.
    public internal(set) var cacheBytes = 0
    /// The bits that values had at the ends of the windows, where they follow attention.
    public internal(set) var bits: MeasuredBits?

    private var sum = 0.0
    private var sumOfSquares = 0.0
    private var weight = 0.0

    init(context: Int) { self.context = context }

    /// Adds a window.
    ///
    /// - Parameter weight: predictions that its mean counts for; not always as many as there are.
    mutating func add(_ score: WindowScore, weight: Int) {
        windows += 1
        cacheBytes = max(cacheBytes, score.cacheBytes)
        bits.add(score.bits)
        let share = score.losses.isEmpty ? 0 : Double(weight) / Double(score.losses.count)
        for loss in score.losses { add(loss, weight: share) }
    }

    mutating func add(_ loss: Double, weight: Double = 1) {
        tokens += 1
        self.weight += weight
        sum += weight * loss
        sumOfSquares += weight * loss * loss
    }

    /// Mean negative log-likelihood of a token, in nats.
    public var loss: Double { weight > 0 ? sum / weight : 0 }

    /// `exp` of the mean loss.
    public var perplexity: Double { exp(loss) }

    /// Standard error of the perplexity, from the scatter of the losses.
    public var standardError: Double {
        guard tokens > 1, weight > 0 else { return .nan }
        let variance = max(sumOfSquares / weight - loss * loss, 0)
        return perplexity * (variance / Double(tokens - 1)).squareRoot()
    }
}

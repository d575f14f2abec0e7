internal import KvasirCache
public import KvasirEngine
internal import KvasirModels

/// How far a cache moves the next-token distribution from that of a reference cache, over the same tokens.
///
/// Windows as llama.cpp's tool cuts them for perplexity; every engine runs them side by side, chunk by chunk, so that
/// nothing but the rows at hand is held. Rounding activations to 8 bits in the linear layers turns the slightest change of
/// the cache into a divergence of a few thousandths: to measure a codec alone, run the engines with linear layers in float32.
public struct DivergenceEvaluation: Sendable {
    /// Tokens of a window.
    public let context: Int
    /// Windows to compare; all that the text fills if nil.
    public let windows: Int?

    /// Rows whose logits are held at a time, of every engine.
    static let rowsAtATime = 16

    /// Creates an evaluation.
    ///
    /// - Throws: `EvaluationError` if a window has fewer than 4 tokens, or the number of windows is not positive.
    public init(context: Int, windows: Int? = nil) throws(EvaluationError) {
        try ScoredWindows.check(context: context, count: windows)
        self.context = context
        self.windows = windows
    }

    /// Compares engines with a reference.
    ///
    /// - Parameters:
    ///   - text: the bytes of the text, as they are.
    ///   - reference: the engine whose distributions are taken for true.
    ///   - subjects: engines of the same model with other caches.
    ///   - exact: for exact prompts, the same model with an f32 cache; nil where the prompt's attention reads the cache.
    ///   - run: keeps the windows that are done.
    /// - Returns: the reference's perplexity, and one result for each subject.
    /// - Throws: `EvaluationError` if a window exceeds a context or the text does not fill one; `EvaluationCancelled`;
    ///   whatever an engine throws.
    public func run(
        text: [UInt8], reference: InferenceEngine, subjects: [InferenceEngine], exact: InferenceEngine? = nil,
        run: EvaluationRun = EvaluationRun()
    ) throws -> (reference: PerplexityResult, subjects: [DivergenceResult]) {
        let pieces = try ScoredWindows(text, context: context, count: windows, engine: reference)
        let engines = [reference] + subjects
        let rows = engines.map { EngineRows($0, exact: exact, rows: Self.rowsAtATime) }
        var perplexity = PerplexityResult(context: context)
        var results = subjects.map { DivergenceResult(cache: $0.plan.configuration, context: context) }
        run.begin(units: pieces.count)
        for window in 0..<pieces.count {
            let piece = pieces[window]
            let comparison = try run.unit("window \(window)") { try Self.compare(piece, rows) }
            perplexity.add(comparison.reference, weight: piece.weight)
            for index in results.indices {
                results[index].add(
                    comparison.subjects[index], reference: comparison.reference, scored: piece.scored)
            }
        }
        return (perplexity, results)
    }

    /// Runs a window through engines side by side and compares the scored predictions with those of the first.
    static func compare(_ window: ScoredWindow, _ engines: [EngineRows]) throws -> WindowComparison {
        let (truth, others) = (engines[0], engines.dropFirst())
        var reference: [Double] = []
        var divergences = [[Double]](repeating: [], count: others.count)
        var losses = divergences
        var tops = [[Bool]](repeating: [], count: others.count)
        for engine in engines { try engine.begin(window) }
        for chunk in WindowChunks.ranges(from: truth.cachedTokens, to: window.tokens.count) {
            for engine in engines { try engine.run(Array(window.tokens[chunk])) }
            let rows = window.rows(in: chunk)
            for first in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.rowsAtATime) {
                let some = first..<min(first + Self.rowsAtATime, rows.upperBound)
                for engine in engines { engine.computeLogits(some) }
                for row in some {
                    let target = Int(window.tokens[chunk.lowerBound + row + 1])
                    let expected = truth.distribution(row - first)
                    reference.append(expected.loss(of: target))
                    for (index, engine) in others.enumerated() {
                        let actual = engine.distribution(row - first)
                        divergences[index].append(expected.divergence(to: actual))
                        losses[index].append(actual.loss(of: target))
                        tops[index].append(expected.top == actual.top)
                    }
                }
            }
        }
        return WindowComparison(
            reference: WindowScore(losses: reference, cacheBytes: truth.cacheBytes, bits: truth.bits),
            subjects: others.enumerated().map { index, engine in
                .init(
                    divergences: divergences[index], sameTop: tops[index],
                    score: WindowScore(losses: losses[index], cacheBytes: engine.cacheBytes, bits: engine.bits))
            })
    }
}

/// What one window gives: the unit of work of a comparison.
struct WindowComparison: Codable {
    struct Subject: Codable {
        /// Kullback-Leibler divergences from the reference, in nats.
        let divergences: [Double]
        /// Whether the most probable token is the reference's.
        let sameTop: [Bool]
        let score: WindowScore
    }

    let reference: WindowScore
    let subjects: [Subject]
}

/// One engine's sequence and logits.
final class EngineRows {
    private let engine: InferenceEngine
    private let exact: InferenceEngine?
    private var sequence: CacheSequence
    private var logits: [Float]

    init(_ engine: InferenceEngine, exact: InferenceEngine?, rows: Int) {
        self.engine = engine
        self.exact = exact
        sequence = engine.makeSequence()
        logits = [Float](repeating: 0, count: rows * engine.vocabularySize)
    }

    var cachedTokens: Int { sequence.count }
    var cacheBytes: Int { sequence.bytes }
    var bits: MeasuredBits? { MeasuredBits(sequence) }

    /// Forgets the window before, and runs the prompt of this one if it is to be exact.
    func begin(_ window: ScoredWindow) throws {
        sequence = engine.makeSequence()
        guard let exact else { return }
        try ExactPrefill(into: engine, exact: exact).run(window.tokens[..<window.promptLength], into: sequence)
    }

    func run(_ tokens: [Int32]) throws {
        try engine.run(ForwardStep([.init(sequence: sequence, tokens: tokens)]))
    }

    func computeLogits(_ rows: Range<Int>) {
        logits.withUnsafeMutableBufferPointer { engine.logits(rows: rows, into: $0) }
    }

    func distribution(_ row: Int) -> TokenDistribution {
        let width = engine.vocabularySize
        return TokenDistribution(logits: logits[row * width..<(row + 1) * width])
    }
}

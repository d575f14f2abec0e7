internal import Foundation
public import KvasirCache
public import KvasirEngine
internal import KvasirModels
internal import KvasirNumerics

/// How far a cache moves the next-token distribution from that of a reference cache, over the same tokens.
///
/// Windows as in `PerplexityEvaluation`; every engine runs them side by side, chunk by chunk, so that nothing but the rows at
/// hand is held. Rounding activations to 8 bits in the linear layers turns the slightest change of the cache into a
/// divergence of a few thousandths: to measure a codec alone, run the engines with linear layers in float32.
public struct DivergenceEvaluation: Sendable {
    /// Tokens of a window.
    public let context: Int
    /// Windows to compare; all that the text fills if nil.
    public let windows: Int?

    /// Rows whose logits are held at a time, of every engine.
    private static let rowsAtATime = 16

    /// Creates an evaluation.
    ///
    /// - Throws: `EvaluationError` if a window has fewer than 4 tokens, or the number of windows is not positive.
    public init(context: Int, windows: Int? = nil) throws(EvaluationError) {
        try TextWindows.check(context: context, count: windows)
        self.context = context
        self.windows = windows
    }

    /// Compares engines with a reference.
    ///
    /// - Parameters:
    ///   - text: the bytes of the text, as they are.
    ///   - reference: the engine whose distributions are taken for true.
    ///   - subjects: engines of the same model with other caches.
    ///   - onWindow: called after every window with its number and the number of all.
    /// - Returns: the reference's perplexity, and one result for each subject.
    /// - Throws: `EvaluationError` if a window exceeds a context or the text does not fill one; whatever an engine throws.
    public func run(
        text: [UInt8], reference: InferenceEngine, subjects: [InferenceEngine],
        onWindow: (Int, Int) -> Void = { _, _ in }
    ) throws -> (reference: PerplexityResult, subjects: [DivergenceResult]) {
        let pieces = try TextWindows(text, context: context, count: windows, engine: reference)
        let truth = EngineRows(reference, rows: Self.rowsAtATime)
        let others = subjects.map { EngineRows($0, rows: Self.rowsAtATime) }
        var perplexity = PerplexityResult(context: context)
        var results = subjects.map { DivergenceResult(cache: $0.plan.configuration, context: context) }
        let scored = context / 2..<context - 1
        for window in 0..<pieces.count {
            let tokens = pieces[window]
            for engine in [truth] + others { engine.begin() }
            for start in stride(from: 0, to: tokens.count, by: InferenceEngine.prefillChunk) {
                let chunk = start..<min(start + InferenceEngine.prefillChunk, tokens.count)
                for engine in [truth] + others { try engine.run(Array(tokens[chunk])) }
                let rows = TextWindows.rows(of: scored, in: chunk)
                for first in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.rowsAtATime) {
                    let some = first..<min(first + Self.rowsAtATime, rows.upperBound)
                    for engine in [truth] + others { engine.computeLogits(some) }
                    for row in some {
                        let target = Int(tokens[start + row + 1])
                        let expected = truth.distribution(row - first)
                        perplexity.add(expected.loss(of: target))
                        for (index, engine) in others.enumerated() {
                            results[index].add(expected, engine.distribution(row - first), target: target)
                        }
                    }
                }
            }
            perplexity.windows = window + 1
            for index in results.indices { results[index].perplexity.windows = window + 1 }
            onWindow(window + 1, pieces.count)
        }
        perplexity.cacheBytes = reference.pool.peakBytes
        for (index, engine) in subjects.enumerated() { results[index].perplexity.cacheBytes = engine.pool.peakBytes }
        return (perplexity, results)
    }
}

/// How the distributions of one cache differ from the reference's.
public struct DivergenceResult: Sendable {
    /// The cache.
    public let cache: CacheConfiguration
    /// Its own perplexity on the text.
    public internal(set) var perplexity: PerplexityResult

    private var divergences: [Double] = []
    private var sameTop = 0
    private var lossChange = 0.0
    private var squaredLossChange = 0.0

    init(cache: CacheConfiguration, context: Int) {
        self.cache = cache
        perplexity = PerplexityResult(context: context)
    }

    mutating func add(_ expected: TokenDistribution, _ actual: TokenDistribution, target: Int) {
        divergences.append(expected.divergence(to: actual))
        sameTop += expected.top == actual.top ? 1 : 0
        let loss = actual.loss(of: target)
        perplexity.add(loss)
        let change = loss - expected.loss(of: target)
        lossChange += change
        squaredLossChange += change * change
    }

    /// Predictions compared.
    public var tokens: Int { divergences.count }

    /// Mean Kullback-Leibler divergence from the reference, in nats.
    public var mean: Double { divergences.reduce(0, +) / Double(max(tokens, 1)) }

    /// The divergence that a share of the predictions stays below or at, in nats: 0.5 for the median, 1 for the largest.
    public func quantile(_ share: Double) -> Double {
        guard tokens > 0 else { return .nan }
        return divergences.sorted()[min(Int(share * Double(tokens)), tokens - 1)]
    }

    /// Share of the predictions whose most probable token is the reference's.
    public var sameTopShare: Double { Double(sameTop) / Double(max(tokens, 1)) }

    /// Change of the mean loss against the reference: the logarithm of the ratio of the perplexities.
    public var lossDifference: Double { lossChange / Double(max(tokens, 1)) }

    /// Standard error of `lossDifference`, of the differences token by token: far smaller than that of either perplexity.
    public var lossDifferenceError: Double {
        guard tokens > 1 else { return .nan }
        let variance = max(squaredLossChange / Double(tokens) - lossDifference * lossDifference, 0)
        return (variance / Double(tokens - 1)).squareRoot()
    }
}

/// One engine's sequence and logits.
private final class EngineRows {
    private let engine: InferenceEngine
    private var sequence: CacheSequence
    private var logits: [Float]

    init(_ engine: InferenceEngine, rows: Int) {
        self.engine = engine
        sequence = engine.makeSequence()
        logits = [Float](repeating: 0, count: rows * engine.vocabularySize)
    }

    func begin() { sequence = engine.makeSequence() }

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

/// A next-token distribution, as logits and what normalizes them.
struct TokenDistribution {
    /// The most probable token; the first of several.
    let top: Int

    private let logits: ArraySlice<Float>
    /// Logarithm of the sum of the exponentials.
    private let normalizer: Double

    init(logits: ArraySlice<Float>) {
        self.logits = logits
        var top = logits.startIndex
        for index in logits.indices where logits[index] > logits[top] { top = index }
        let largest = Double(logits[top])
        var sum = 0.0
        for logit in logits { sum += exp(Double(logit) - largest) }
        self.top = top - logits.startIndex
        normalizer = largest + log(sum)
    }

    /// Negative log-likelihood of a token, in nats.
    func loss(of token: Int) -> Double { normalizer - Double(logits[logits.startIndex + token]) }

    /// Kullback-Leibler divergence of `other` from this one, in nats; never negative.
    func divergence(to other: TokenDistribution) -> Double {
        var sum = 0.0
        for (own, others) in zip(logits, other.logits) {
            let logarithm = Double(own) - normalizer
            // Below this a token adds less than the rounding of the sum.
            guard logarithm > -50 else { continue }
            sum += exp(logarithm) * (logarithm - Double(others) + other.normalizer)
        }
        return max(sum, 0)
    }
}

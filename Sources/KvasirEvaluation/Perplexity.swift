internal import Foundation
internal import KvasirCache
public import KvasirEngine
internal import KvasirModels

/// Perplexity of a text by windows, the second half of each scored: the procedure of llama.cpp's tool.
///
/// The text's tokens are cut into windows of `context` tokens that share nothing. Each is run from an empty cache; the
/// predictions at positions `context/2 ..< context-1` are scored, so that every scored token has seen at least half a
/// window. The prompt's own attention reads the cache, so what is measured includes the codec.
public struct PerplexityEvaluation: Sendable {
    /// Tokens of a window.
    public let context: Int
    /// Windows to score; all that the text fills if nil.
    public let windows: Int?

    /// Rows whose logits are held at a time.
    private static let rowsAtATime = 32

    /// Creates an evaluation.
    ///
    /// - Throws: `EvaluationError` if a window has fewer than 4 tokens, or the number of windows is not positive.
    public init(context: Int, windows: Int? = nil) throws(EvaluationError) {
        try TextWindows.check(context: context, count: windows)
        self.context = context
        self.windows = windows
    }

    /// Scores a text.
    ///
    /// - Parameters:
    ///   - text: the bytes of the text, as they are.
    ///   - engine: the model and the cache to measure.
    ///   - onWindow: called after every window with its number, the number of all, and the result so far.
    /// - Throws: `EvaluationError` if a window exceeds the engine's context or the text does not fill one; whatever the engine throws.
    public func run(
        text: [UInt8], engine: InferenceEngine, onWindow: (Int, Int, PerplexityResult) -> Void = { _, _, _ in }
    ) throws -> PerplexityResult {
        let pieces = try TextWindows(text, context: context, count: windows, engine: engine)
        let logits = LogitRows(engine: engine, rows: Self.rowsAtATime)
        var result = PerplexityResult(context: context)
        for window in 0..<pieces.count {
            try score(pieces[window], engine: engine, logits: logits, result: &result)
            result.windows = window + 1
            result.cacheBytes = engine.pool.peakBytes
            onWindow(window + 1, pieces.count, result)
        }
        return result
    }

    private func score(
        _ window: [Int32], engine: InferenceEngine, logits: LogitRows, result: inout PerplexityResult
    ) throws {
        let sequence = engine.makeSequence()
        let scored = context / 2..<context - 1
        for start in stride(from: 0, to: window.count, by: InferenceEngine.prefillChunk) {
            let end = min(start + InferenceEngine.prefillChunk, window.count)
            try engine.run(ForwardStep([.init(sequence: sequence, tokens: Array(window[start..<end]))]))
            try logits.forEach(rows: TextWindows.rows(of: scored, in: start..<end)) { row, logits in
                let target = window[start + row + 1]
                let loss = -Double(
                    try LogProbabilities(logits: logits, chosen: target, topCount: 0).chosen.logProbability)
                result.add(loss)
            }
        }
    }
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

    private var sum = 0.0
    private var sumOfSquares = 0.0

    init(context: Int) { self.context = context }

    mutating func add(_ loss: Double) {
        tokens += 1
        sum += loss
        sumOfSquares += loss * loss
    }

    /// Mean negative log-likelihood of a token, in nats.
    public var loss: Double { sum / Double(max(tokens, 1)) }

    /// `exp` of the mean loss.
    public var perplexity: Double { exp(loss) }

    /// Standard error of the perplexity, from the scatter of the losses.
    public var standardError: Double {
        guard tokens > 1 else { return .nan }
        let variance = max(sumOfSquares / Double(tokens) - loss * loss, 0)
        return perplexity * (variance / Double(tokens - 1)).squareRoot()
    }
}

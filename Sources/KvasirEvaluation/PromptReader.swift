internal import KvasirCache
internal import KvasirEngine
internal import KvasirModels

/// One sequence that reads prompts and is asked how they go on.
///
/// What a prompt has in common with the one before is not computed again, and questions leave the cache as it was.
final class PromptReader {
    private let engine: InferenceEngine
    private let exact: InferenceEngine?
    private var sequence: CacheSequence
    private let logits: LogitRows
    /// The prompt, and the logits after it.
    private var prompt: [Int32] = []
    private var last: [Float] = []

    /// Rows whose logits are held at a time.
    private static let rowsAtATime = 8

    /// Creates a reader with nothing cached.
    ///
    /// - Parameters:
    ///   - engine: the model and its cache.
    ///   - exact: for exact prompts, the same model with an f32 cache; nil where the prompt's attention reads the cache.
    init(_ engine: InferenceEngine, exact: InferenceEngine? = nil) {
        self.engine = engine
        self.exact = exact
        sequence = engine.makeSequence()
        logits = LogitRows(engine: engine, rows: Self.rowsAtATime)
    }

    /// Reads a prompt.
    ///
    /// - Throws: what the engine throws if it is empty or does not fit.
    func read(_ tokens: [Int32]) throws {
        // The last token is always computed: its logits are wanted.
        let common = min(zip(prompt, tokens).prefix { $0 == $1 }.count, max(tokens.count - 1, 0))
        prompt = []
        try fill(with: tokens, from: common)
        prompt = tokens
        last = try rows(engine.lastRow..<engine.lastRow + 1)[0]
    }

    /// Runs a prompt whose first `common` tokens are cached; its last token is run in any case.
    private func fill(with tokens: [Int32], from common: Int) throws {
        guard let exact, let last = tokens.last else {
            let kept = sequence.truncate(to: min(common, sequence.count))
            try engine.prefill(tokens[kept...], into: sequence)
            return
        }
        // An exact prompt is stored as a whole, up to the token that asks how it goes on.
        sequence = engine.makeSequence()
        try ExactPrefill(into: engine, exact: exact).run(tokens.dropLast(), into: sequence)
        try engine.prefill([last], into: sequence)
    }

    /// What is cached, where bits follow attention.
    var bits: MeasuredBits? { MeasuredBits(sequence) }

    /// The logarithm of the probability that the prompt goes on with these tokens, in nats.
    func logLikelihood(of continuation: [Int32]) throws -> Double {
        var loss = 0.0
        if let first = continuation.first { loss += TokenDistribution(logits: last[...]).loss(of: Int(first)) }
        guard continuation.count > 1 else { return -loss }
        try run(continuation.dropLast())
        for (row, logits) in try rows(0..<continuation.count - 1).enumerated() {
            loss += TokenDistribution(logits: logits[...]).loss(of: Int(continuation[row + 1]))
        }
        try rewind()
        return -loss
    }

    /// The most probable tokens, each fed back.
    ///
    /// - Parameters:
    ///   - count: tokens.
    ///   - excluded: tokens that are never chosen.
    ///   - isFinished: asked after every token; ends the text early.
    func greedy(
        _ count: Int, excluding excluded: Set<Int32> = [], isFinished: ([Int32]) -> Bool = { _ in false }
    ) throws -> [Int32] {
        var tokens: [Int32] = []
        var current = last
        while tokens.count < count {
            for token in excluded { current[Int(token)] = -.infinity }
            tokens.append(Int32(TokenDistribution(logits: current[...]).top))
            guard tokens.count < count, !isFinished(tokens) else { break }
            try run(tokens.suffix(1))
            current = try rows(0..<1)[0]
        }
        try rewind()
        return tokens
    }

    private func run(_ tokens: ArraySlice<Int32>) throws {
        try engine.run(ForwardStep([.init(sequence: sequence, tokens: Array(tokens))]))
    }

    /// Cuts the sequence back to the prompt.
    private func rewind() throws {
        // A window of f16 copies may have to go back further; the rest is computed again.
        let kept = sequence.truncate(to: prompt.count)
        if kept < prompt.count { try fill(with: prompt, from: kept) }
    }

    private func rows(_ range: Range<Int>) throws -> [[Float]] {
        var result: [[Float]] = []
        try logits.forEach(rows: range) { _, row in
            result.append(row.withUnsafeBufferPointer { Array($0) })
        }
        return result
    }
}

public import KvasirCache
public import KvasirEngine
internal import KvasirModels

/// What a throughput benchmark times.
public enum ThroughputCell: Sendable, Hashable {
    /// One sequence generating after this many cached tokens.
    case decode(depth: Int)
    /// One prompt of this many tokens, up to the logits of its last token.
    case prefill(prompt: Int)
    /// This many sequences generating together, each after its own prompt.
    case batch(sequences: Int)

    /// Tokens every sequence generates in a decode cell.
    public static let decodeTokens = 32
    /// Tokens of each prompt in a batch cell.
    public static let batchPrompt = 512
    /// Tokens each sequence generates in a batch cell.
    public static let batchTokens = 128

    /// The most tokens a sequence of the cell holds.
    public var context: Int {
        switch self {
        case .decode(let depth): depth + Self.decodeTokens
        case .prefill(let prompt): prompt
        case .batch: Self.batchPrompt + Self.batchTokens
        }
    }

    /// Sequences of the cell.
    public var sequences: Int {
        if case .batch(let count) = self { count } else { 1 }
    }
}

/// Tokens per second of one cell with one cache.
public struct ThroughputResult: Sendable {
    /// What was timed.
    public let cell: ThroughputCell
    /// The cache.
    public let cache: CacheConfiguration
    /// Bytes of the pages the cell's sequences held.
    public let cacheBytes: Int
    /// Tokens per second of every run, all sequences together, in the order of the runs.
    public let tokensPerSecond: [Double]

    /// The middle run; the lower one of two.
    public var median: Double {
        let sorted = tokensPerSecond.sorted()
        return sorted.isEmpty ? 0 : sorted[(sorted.count - 1) / 2]
    }
}

/// Times prefill and decode of one or more caches of the same model.
///
/// The caches take turns within a cell, so that whatever else the machine does meets all of them: compare the results of
/// one run with each other, by ratio. Tokens are drawn from the vocabulary in a fixed order; what they are does not matter
/// to the time.
public struct ThroughputBenchmark: Sendable {
    /// What to time.
    public let cells: [ThroughputCell]
    /// How often.
    public let repeats: Int

    /// Creates a benchmark.
    ///
    /// - Throws: `EvaluationError` if a depth is negative, or a prompt, a number of sequences or of repeats is not positive.
    public init(cells: [ThroughputCell], repeats: Int) throws(EvaluationError) {
        for cell in cells {
            switch cell {
            case .decode(let depth) where depth < 0:
                throw EvaluationError(received: "depth \(depth)", remedy: "use 0 or more cached tokens")
            case .prefill(let prompt) where prompt < 1:
                throw EvaluationError(received: "prompt of \(prompt) tokens", remedy: "use at least 1")
            case .batch(let sequences) where sequences < 1:
                throw EvaluationError(received: "batch of \(sequences) sequences", remedy: "use at least 1")
            default: break
            }
        }
        guard repeats >= 1 else {
            throw EvaluationError(received: "\(repeats) repeats", remedy: "time every cell at least once")
        }
        self.cells = cells
        self.repeats = repeats
    }

    /// Runs every cell with every engine.
    ///
    /// - Parameters:
    ///   - engines: engines of one model that differ in their caches.
    ///   - onResult: called with every result as it is known, cell by cell.
    /// - Throws: `EvaluationError` if a cell exceeds an engine's context, before anything is run; what the engine throws if
    ///   the budget is too small.
    public func run(engines: [InferenceEngine], onResult: (ThroughputResult) -> Void = { _ in }) throws {
        for cell in cells {
            for engine in engines where cell.context > engine.contextLength {
                throw EvaluationError(
                    received: "\(cell) of \(cell.context) tokens",
                    remedy: "the context holds \(engine.contextLength); use a smaller one")
            }
        }
        for cell in cells {
            let subjects = try engines.map { try ThroughputSubject($0, cell) }
            // The first run grows the work buffers and is not counted.
            for subject in subjects { _ = try subject.run() }
            var times = [[Double]](repeating: [], count: engines.count)
            for _ in 0..<repeats {
                for (index, subject) in subjects.enumerated() { times[index].append(try subject.run()) }
            }
            for (index, subject) in subjects.enumerated() {
                onResult(
                    ThroughputResult(
                        cell: cell, cache: engines[index].plan.configuration, cacheBytes: subject.cacheBytes,
                        tokensPerSecond: times[index]))
            }
        }
    }
}

/// One cell with one engine, ready to be run again and again.
private final class ThroughputSubject {
    private let engine: InferenceEngine
    private let cell: ThroughputCell
    private let sequences: [CacheSequence]
    private var logits: [Float]
    private(set) var cacheBytes = 0

    init(_ engine: InferenceEngine, _ cell: ThroughputCell) throws {
        self.engine = engine
        self.cell = cell
        sequences = (0..<cell.sequences).map { _ in engine.makeSequence() }
        logits = [Float](repeating: 0, count: cell.sequences * engine.vocabularySize)
        let cached =
            switch cell {
            case .decode(let depth): depth
            case .prefill: 0
            case .batch: ThroughputCell.batchPrompt
            }
        for sequence in sequences where cached > 0 { try engine.prefill(tokens(cached)[...], into: sequence) }
    }

    /// Runs the cell once and leaves the cache as it was; returns tokens per second.
    func run() throws -> Double {
        let before = sequences.map(\.count)
        let clock = ContinuousClock()
        let start = clock.now
        let count =
            switch cell {
            case .decode: try decode(ThroughputCell.decodeTokens)
            case .prefill(let prompt): try prefill(prompt)
            case .batch: try decode(ThroughputCell.batchTokens)
            }
        let time = clock.now - start
        cacheBytes = sequences.reduce(0) { $0 + $1.bytes }
        for (sequence, length) in zip(sequences, before) { sequence.truncate(to: length) }
        let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18
        return Double(count) / seconds
    }

    private func prefill(_ prompt: Int) throws -> Int {
        try engine.prefill(tokens(prompt)[...], into: sequences[0])
        computeLogits(rows: engine.lastRow..<engine.lastRow + 1)
        return prompt
    }

    private func decode(_ steps: Int) throws -> Int {
        for step in 0..<steps {
            let token = [token(step)]
            try engine.run(ForwardStep(sequences.map { .init(sequence: $0, tokens: token) }))
            computeLogits(rows: 0..<sequences.count)
        }
        return steps * sequences.count
    }

    private func computeLogits(rows: Range<Int>) {
        logits.withUnsafeMutableBufferPointer { engine.logits(rows: rows, into: $0) }
    }

    private func tokens(_ count: Int) -> [Int32] { (0..<count).map(token) }

    private func token(_ index: Int) -> Int32 { Int32(index &* 7919 % engine.vocabularySize) }
}

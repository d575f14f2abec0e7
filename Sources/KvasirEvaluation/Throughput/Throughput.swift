internal import KvasirCache
public import KvasirEngine
internal import KvasirModels

/// Times prefill and decode of one or more caches of the same model.
///
/// The caches take turns within a cell, so that whatever else the machine does meets all of them: compare the results of
/// one run with each other, by ratio. Runs beside busy neighbours alternate with quiet ones for the same reason. Tokens are
/// drawn from the vocabulary in a fixed order; what they are does not matter to the time.
public struct ThroughputBenchmark: Sendable {
    /// What to time.
    public let cells: [ThroughputCell]
    /// How often.
    public let repeats: Int
    /// Busy threads beside which everything is timed once more; 0 for none.
    public let neighbours: Int

    /// The most sequences of a batch.
    public static let maximumSequences = 4096
    /// The most busy threads: enough to crowd any machine.
    public static let maximumNeighbours = 1024

    /// Creates a benchmark.
    ///
    /// - Throws: `EvaluationError` if a depth is negative, a prompt or the number of repeats not positive, or the number of
    ///   sequences or neighbours out of its range.
    public init(cells: [ThroughputCell], repeats: Int, neighbours: Int = 0) throws(EvaluationError) {
        for cell in cells {
            switch cell {
            case .decode(let depth) where depth < 0:
                throw EvaluationError(received: "depth \(depth)", remedy: "use 0 or more cached tokens")
            case .prefill(let prompt) where prompt < 1:
                throw EvaluationError(received: "prompt of \(prompt) tokens", remedy: "use at least 1")
            case .batch(let sequences, _) where !(1...Self.maximumSequences ~= sequences):
                throw EvaluationError(
                    received: "batch of \(sequences) sequences", remedy: "use 1 to \(Self.maximumSequences)")
            default: break
            }
        }
        guard repeats >= 1 else {
            throw EvaluationError(received: "\(repeats) repeats", remedy: "time every cell at least once")
        }
        guard 0...Self.maximumNeighbours ~= neighbours else {
            throw EvaluationError(received: "\(neighbours) neighbours", remedy: "use 0 to \(Self.maximumNeighbours)")
        }
        self.cells = cells
        self.repeats = repeats
        self.neighbours = neighbours
    }

    /// Checks that every cell fits every engine's context.
    ///
    /// - Throws: `EvaluationError` with the nearest cell that does.
    public func check(engines: [InferenceEngine]) throws(EvaluationError) {
        for cell in cells {
            for engine in engines { try cell.check(contextLength: engine.contextLength) }
        }
    }

    /// Runs every cell with every engine.
    ///
    /// - Parameters:
    ///   - engines: engines of one model that differ in their caches.
    ///   - onResult: called with every result as it is known, cell by cell.
    /// - Throws: `EvaluationError` if a cell exceeds an engine's context, before anything is run; what the engine throws if
    ///   the budget is too small.
    public func run(engines: [InferenceEngine], onResult: (ThroughputResult) -> Void = { _ in }) throws {
        try check(engines: engines)
        for cell in cells {
            let (measurements, peak) = try PeakMemory.during { try measure(cell, engines: engines) }
            for (engine, measurement) in zip(engines, measurements) {
                onResult(
                    ThroughputResult(
                        cell: cell, cache: engine.plan.configuration, cacheBytes: measurement.cacheBytes,
                        weightBytes: engine.model.decoder.weightBytes,
                        bitsPerValueK: measurement.bits?.keys?.bitsPerValue ?? engine.plan.bitsPerValueK,
                        bitsPerValueV: measurement.bits?.values?.bitsPerValue ?? engine.plan.bitsPerValueV,
                        bitsReadPerValueK: measurement.bitsReadK, bitsReadPerValueV: measurement.bitsReadV,
                        cacheBytesPerStep: cell.isDecoding
                            ? engine.plan.bytesPerStep(of: cell) * measurement.readShare(of: engine.plan) : nil,
                        speeds: Speeds(measurement.quiet),
                        besideNeighbours: neighbours > 0 ? Speeds(measurement.crowded) : nil, peak: peak))
            }
        }
    }

    private struct Measurement {
        var cacheBytes = 0
        var quiet: [Double] = []
        var crowded: [Double] = []
        /// Where bits follow attention: those of the first sequence in the end.
        var bits: MeasuredBits?
        var bitsReadK: Double?
        var bitsReadV: Double?

        /// The share of the stored bits that a step reads.
        func readShare(of plan: CachePlan) -> Double {
            guard let bitsReadK, let bitsReadV else { return 1 }
            return (bitsReadK + bitsReadV) / (plan.bitsPerValueK + plan.bitsPerValueV)
        }
    }

    /// Times one cell; the caches it needed are gone when it returns.
    private func measure(_ cell: ThroughputCell, engines: [InferenceEngine]) throws -> [Measurement] {
        let subjects = try engines.map { try ThroughputSubject($0, cell) }
        // The first run grows the work buffers and is not counted.
        var measurements = try subjects.map { subject in
            _ = try subject.run()
            return Measurement(cacheBytes: subject.cacheBytes)
        }
        let before = engines.map(\.plan.reading)
        for _ in 0..<repeats {
            for (index, subject) in subjects.enumerated() {
                measurements[index].quiet.append(try subject.run())
                if neighbours > 0 {
                    measurements[index].crowded.append(try BusyNeighbours.with(neighbours) { try subject.run() })
                }
            }
        }
        for (index, engine) in engines.enumerated() {
            let reading = engine.plan.reading.since(before[index])
            let bits = subjects[index].bits
            measurements[index].bits = bits
            measurements[index].bitsReadK = bits?.keys?.bitsPerValue ?? engine.plan.bitsReadPerValueK(reading)
            measurements[index].bitsReadV = bits?.values?.bitsPerValue ?? engine.plan.bitsReadPerValueV(reading)
        }
        return measurements
    }
}

extension CachePlan {
    /// Bytes of cached tokens that one step of a cell reads, averaged over its steps: a token attends to itself too, and
    /// what sequences share is read once.
    fileprivate func bytesPerStep(of cell: ThroughputCell) -> Double {
        let prompts = cell.sharesPrompt ? 1 : cell.sequences
        let tokens = Double(prompts * cell.cachedTokens) + Double(cell.sequences * (cell.newTokens + 1)) / 2
        return tokens * bytesPerToken
    }
}

/// One cell with one engine, ready to be run again and again.
private final class ThroughputSubject {
    private let engine: InferenceEngine
    private let cell: ThroughputCell
    private var sequences: [CacheSequence]
    private var logits: [Float]
    private(set) var cacheBytes = 0
    private(set) var bits: MeasuredBits?

    init(_ engine: InferenceEngine, _ cell: ThroughputCell) throws {
        self.engine = engine
        self.cell = cell
        sequences = (0..<cell.sequences).map { _ in engine.makeSequence() }
        logits = [Float](repeating: 0, count: cell.sequences * engine.vocabularySize)
        try fill()
    }

    /// Gives the sequences the tokens that they hold before the clock starts.
    private func fill() throws {
        let cached = tokens(cell.cachedTokens)
        guard !cached.isEmpty else { return }
        guard cell.sharesPrompt else {
            for sequence in sequences { try engine.prefill(cached[...], into: sequence) }
            return
        }
        try engine.prefill(cached[...], into: sequences[0])
        let pages = (0..<sequences[0].sealedPages).map(sequences[0].sealedPage)
        let sides = (0..<sequences[0].sealedPages).map(sequences[0].sidePages)
        for sequence in sequences.dropFirst() { sequence.adopt(pages, sides: sides) }
    }

    /// Runs the cell once and leaves the cache as it was; returns tokens per second.
    func run() throws -> Double {
        let before = sequences.map(\.count)
        let time = try ContinuousClock().measure {
            if cell.isDecoding { try decode(cell.newTokens) } else { try prefill(cell.newTokens) }
        }
        // Nobody else takes pages of this engine, and what sequences share counts once.
        cacheBytes = engine.pool.bytesInUse
        bits = MeasuredBits(sequences[0])
        guard !cell.sharesPrompt else {
            sequences = sequences.map { _ in engine.makeSequence() }
            try fill()
            return speed(time)
        }
        for (sequence, length) in zip(sequences, before) {
            // A window of f16 copies can be cut by a page only; what goes besides is computed again, untimed.
            let kept = sequence.truncate(to: length)
            if kept < length { try engine.prefill(tokens(length)[kept...], into: sequence) }
        }
        return speed(time)
    }

    private func speed(_ time: Duration) -> Double {
        Double(cell.newTokens * cell.sequences) / (time / .seconds(1))
    }

    private func prefill(_ prompt: Int) throws {
        try engine.prefill(tokens(prompt)[...], into: sequences[0])
        computeLogits(rows: engine.lastRow..<engine.lastRow + 1)
    }

    private func decode(_ steps: Int) throws {
        for step in 0..<steps {
            let token = [token(step)]
            try engine.run(ForwardStep(sequences.map { .init(sequence: $0, tokens: token) }))
            computeLogits(rows: 0..<sequences.count)
        }
    }

    private func computeLogits(rows: Range<Int>) {
        logits.withUnsafeMutableBufferPointer { engine.logits(rows: rows, into: $0) }
    }

    private func tokens(_ count: Int) -> [Int32] { (0..<count).map(token) }

    private func token(_ index: Int) -> Int32 { Int32(index &* 7919 % engine.vocabularySize) }
}

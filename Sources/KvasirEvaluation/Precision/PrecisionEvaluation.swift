public import KvasirCache
internal import KvasirCodecs
public import KvasirEngine
internal import KvasirModels
public import KvasirNumerics

/// How far a cache moves attention scores and attention outputs from those of an f16 cache, entry by entry.
///
/// Queries, keys and values are those of a text, computed in float32; the last queries of every window look at the whole
/// window. Scores (QK^T) are compared before the softmax; outputs (PV) with the weights of the f16 cache's scores, so that
/// they show the values alone. Beside the caches stand f16 words cut to fixed numbers of bits, missing ones taken as half
/// of their range.
///
/// Source: Tan et al., "AlignedKV: Reducing Memory Access of KV-Cache with Precision-Aligned Quantization"
/// (arXiv:2409.16546), whose table of errors this remakes on any model and for any cache.
public struct PrecisionEvaluation: Sendable {
    /// Tokens of a window of the text.
    public let context: Int
    /// Windows; all that the text fills if nil.
    public let windows: Int?
    /// Query tokens at the end of a window.
    public let queries: Int
    /// The layers; all if nil.
    public let layers: LayerList?

    /// Bits to which f16 words are cut for comparison; the paper's is 13.
    public static let cuts = 9...15

    /// Creates an evaluation.
    ///
    /// - Throws: `EvaluationError` if a window has fewer than 4 tokens, the number of windows is not positive, or there are
    ///   no query tokens or more than a window has.
    public init(
        context: Int, windows: Int? = 2, queries: Int = 16, layers: LayerList? = nil
    ) throws(EvaluationError) {
        try ScoredWindows.check(context: context, count: windows)
        guard (1...context).contains(queries) else {
            throw EvaluationError(
                received: "\(queries) query tokens", remedy: "use 1 to \(context), the tokens of a window")
        }
        self.context = context
        self.windows = windows
        self.queries = queries
        self.layers = layers
    }

    /// Compares caches with f16.
    ///
    /// - Parameters:
    ///   - text: the bytes of the text, as they are.
    ///   - engine: the model.
    ///   - plans: caches of the model.
    ///   - instructionSet: the kernels.
    ///   - run: keeps the windows that are done.
    /// - Returns: rows by cache and part, all layers together.
    /// - Throws: `EvaluationError` if a window exceeds the engine's context, the text does not fill the windows, or a cache
    ///   shares numbers over tokens; `CacheError` if the model has no such layer or there is no memory;
    ///   `EvaluationCancelled`.
    public func run(
        text: [UInt8], engine: InferenceEngine, plans: [CachePlan], instructionSet: InstructionSet,
        run: EvaluationRun = EvaluationRun()
    ) throws -> [PrecisionRow] {
        let shape = engine.model.decoder.info.cacheShape
        for plan in plans { try Self.check(plan) }
        let pieces = try ScoredWindows(text, context: context, count: windows, engine: engine)
        let indices = try Set(layers?.indices(layers: shape.layers) ?? Array(0..<shape.layers))
        let pass = try GradientPass(engine.model.decoder, instructionSet: instructionSet, threads: engine.threads)
        let reference = try CachePlan(
            CacheConfiguration(parsing: "f16"), shape: shape, instructionSet: instructionSet)
        var rows: [PrecisionRow] = []
        run.begin(units: pieces.count)
        for window in 0..<pieces.count {
            rows.add(
                try run.unit("window \(window)") {
                    var rows: [PrecisionRow] = []
                    try pass.recordAttention(pieces[window].tokens) { record in
                        guard indices.contains(record.layer) else { return }
                        try run.checkCancellation()
                        let layer = AttentionComparison(
                            record, shape: shape, reference: reference.layers[record.layer], queries: queries)
                        for plan in plans { rows.add(layer.rows(plan)) }
                        for count in Self.cuts { rows.add(layer.rows(cutTo: count)) }
                    }
                    return rows
                })
        }
        return rows
    }

    private static func check(_ plan: CachePlan) throws(EvaluationError) {
        for layer in plan.layers where max(layer.keys.groupTokens, layer.values.groupTokens) > 1 {
            throw EvaluationError(
                received: "cache \(plan.configuration)",
                remedy: "tokens that are encoded in groups are not compared here; use 'evaluate divergence'")
        }
    }
}

/// Which results of attention are compared.
public enum PrecisionPart: String, Codable, Sendable, Hashable, CaseIterable {
    /// Products of queries and keys.
    case scores
    /// Weighted sums of values.
    case outputs
}

/// Errors of one cache, by size.
public struct PrecisionRow: Codable, Sendable, Hashable {
    /// A cache in canonical spelling, or `f16 cut to 13 bits`.
    public let method: String
    /// What was compared.
    public let part: PrecisionPart
    /// Entries whose relative error is below each of `bounds` and not below the one before, then those above all; the
    /// first count is of entries that are the same 16-bit float.
    public var counts: [Int]
    /// Values of keys, or values, that queries read.
    public var valuesRead: Int
    /// Bits that they read of those.
    public var bitsRead: Int

    /// Bounds of relative errors.
    public static let bounds = [0, 0x1p-10, 0x1p-9, 0x1p-8, 0x1p-7]

    /// Bits read of a value on average.
    public var bitsPerValue: Double { Double(bitsRead) / Double(max(valuesRead, 1)) }

    init(method: String, part: PrecisionPart) {
        self.method = method
        self.part = part
        counts = [Int](repeating: 0, count: Self.bounds.count + 1)
        valuesRead = 0
        bitsRead = 0
    }

    /// Counts an entry.
    mutating func add(_ actual: Float, reference: Float) {
        if HalfPrecision.bits(actual) == HalfPrecision.bits(reference) {
            counts[0] += 1
            return
        }
        let error = Double(abs(actual - reference)) / Double(max(abs(reference), .leastNormalMagnitude))
        counts[Self.bounds.dropFirst().firstIndex { error < $0 } ?? Self.bounds.count] += 1
    }

    /// The share of the entries in each class.
    public var shares: [Double] {
        let total = counts.reduce(0, +)
        return counts.map { Double($0) / Double(max(total, 1)) }
    }
}

extension [PrecisionRow] {
    /// Adds rows up by method and part; new ones come last.
    mutating func add(_ others: [PrecisionRow]) {
        for other in others {
            guard let index = firstIndex(where: { $0.method == other.method && $0.part == other.part }) else {
                append(other)
                continue
            }
            for place in self[index].counts.indices { self[index].counts[place] += other.counts[place] }
            self[index].valuesRead += other.valuesRead
            self[index].bitsRead += other.bitsRead
        }
    }
}

public import KvasirCache

/// What a throughput benchmark times.
public enum ThroughputCell: Sendable, Hashable {
    /// One sequence generating after this many cached tokens.
    case decode(depth: Int)
    /// One prompt of this many tokens, up to the logits of its last token.
    case prefill(prompt: Int)
    /// This many sequences generating together, each after its own prompt, or all after one whose pages they share.
    case batch(sequences: Int, sharesPrompt: Bool = false)

    /// Tokens every sequence generates in a decode cell.
    public static let decodeTokens = 32
    /// Tokens of each prompt in a batch cell.
    public static let batchPrompt = 512
    /// Tokens each sequence generates in a batch cell.
    public static let batchTokens = 128

    /// Sequences of the cell.
    public var sequences: Int {
        if case .batch(let count, _) = self { count } else { 1 }
    }

    /// Whether the sequences share the pages of their prompt.
    var sharesPrompt: Bool {
        if case .batch(_, true) = self { true } else { false }
    }

    /// Tokens a sequence holds before the clock starts.
    public var cachedTokens: Int {
        switch self {
        case .decode(let depth): depth
        case .prefill: 0
        case .batch: Self.batchPrompt
        }
    }

    /// Tokens of a sequence that are timed.
    var newTokens: Int {
        switch self {
        case .decode: Self.decodeTokens
        case .prefill(let prompt): prompt
        case .batch: Self.batchTokens
        }
    }

    /// Whether tokens come one by one, each after the one before.
    public var isDecoding: Bool {
        if case .prefill = self { false } else { true }
    }

    /// Checks that a sequence of the cell fits the context.
    func check(contextLength: Int) throws(EvaluationError) {
        // Either may be any number the user typed, so they are not added.
        guard cachedTokens > contextLength - newTokens else { return }
        let received: String
        let largest: Int
        switch self {
        case .decode(let depth):
            received = "depth \(depth) and \(Self.decodeTokens) tokens to decode"
            largest = contextLength - Self.decodeTokens
        case .prefill(let prompt):
            received = "prompt of \(prompt) tokens"
            largest = contextLength
        case .batch:
            received = "batch of prompts of \(Self.batchPrompt) tokens and \(Self.batchTokens) to decode"
            largest = -1
        }
        throw EvaluationError(
            received: received,
            remedy: "the context holds \(contextLength); "
                + (largest >= 0 ? "use at most \(largest)" : "use a model with a longer one"))
    }
}

/// Tokens per second of repeated runs, all sequences together.
public struct Speeds: Sendable, Hashable {
    /// Every run, in order; at least one.
    public let runs: [Double]

    init(_ runs: [Double]) {
        precondition(!runs.isEmpty, "there is no median of nothing")
        self.runs = runs
    }

    /// The middle run; the lower one of two.
    public var median: Double { runs.sorted()[(runs.count - 1) / 2] }
    /// The slowest run.
    public var minimum: Double { runs.reduce(.infinity, min) }
    /// The fastest run.
    public var maximum: Double { runs.reduce(0, max) }
}

/// What was measured of one cell with one cache.
public struct ThroughputResult: Sendable {
    /// What was timed.
    public let cell: ThroughputCell
    /// The cache.
    public let cache: CacheConfiguration
    /// Bytes of the pages the cell's sequences held.
    public let cacheBytes: Int
    /// Bytes of the weights, which every step reads.
    public let weightBytes: Int
    /// Bits stored for each key value, every overhead counted.
    public let bitsPerValueK: Double
    /// Bits stored for each value, every overhead counted.
    public let bitsPerValueV: Double
    /// Bits that a query read of each key value it saw.
    public let bitsReadPerValueK: Double?
    /// Bits that a query read of each value it saw.
    public let bitsReadPerValueV: Double?
    /// Bytes of cached tokens that a step reads on average, all sequences together; nil for a prefill.
    public let cacheBytesPerStep: Double?
    /// The runs that had the machine to themselves, as far as this program knows.
    public let speeds: Speeds
    /// The runs beside busy neighbours; nil without any.
    public let besideNeighbours: Speeds?
    /// The most memory the process held during the cell, the caches of all engines included.
    public let peak: PeakMemory?

    /// The share of the speed that is left beside busy neighbours, by the medians; nil without any.
    public var keptShare: Double? { besideNeighbours.map { $0.median / speeds.median } }

    /// Bytes of cache read in a second at the median speed; nil for a prefill.
    public var cacheBytesPerSecond: Double? {
        cacheBytesPerStep.map { $0 * speeds.median / Double(cell.sequences) }
    }

    /// Tokens per second if a step took just the time to read weights and cache once; nil for a prefill.
    ///
    /// - Parameter bandwidth: bytes the machine reads in a second.
    public func limit(bandwidth: Double) -> Double? {
        cacheBytesPerStep.map { Double(cell.sequences) * bandwidth / (Double(weightBytes) + $0) }
    }
}

internal import CKvasir
public import KvasirCache
public import KvasirNumerics

/// How linear layers multiply quantized weights.
public enum LinearPrecision: String, Sendable, Hashable, CaseIterable {
    /// Activations rounded to 8 bits per 32 values, integer dot products: the fast path.
    case int8
    /// Activations in float32, weights widened to float32: for measuring something else than this rounding.
    case float32
}

/// What a model's forward pass may do, on the processor.
///
/// A small set of operations on activations: embed, normalize, multiply, rotate, attend, activate, add. Model families
/// use nothing else, so that another device can supply the same set.
public final class Operations {
    /// How linear layers multiply.
    public let precision: LinearPrecision

    let threads: ThreadPool
    let elementwise: UnsafePointer<kv_ops_kernels>
    let linear: UnsafePointer<kv_linear_kernels>
    let attention: CacheAttention

    /// Sees the input of every linear layer, for calibration; nil for none.
    public var inputMaxima: InputMaxima?
    /// Sees the queries of every layer, for calibration; nil for none.
    public var queryNorms: QueryNorms?

    /// Activations rounded to 8 bits, of the operation at hand.
    var rounded = AlignedBuffer<kv_activation_group>(zeroed: 0)
    /// Cosines, then sines, of each rotary table of the step.
    var rotary: [RotaryBuffer] = []
    var segments: [AttentionSegment] = []

    /// Rows of an elementwise operation that one item takes.
    static let rowsPerItem = 4

    /// Creates the operations for a plan.
    public init(
        plan: CachePlan, instructionSet: InstructionSet, threads: ThreadPool, precision: LinearPrecision = .int8
    ) {
        self.precision = precision
        self.threads = threads
        let isa = kv_isa(rawValue: instructionSet.code)
        elementwise = kv_ops_kernels_for(isa)
        linear = kv_linear_kernels_for(isa)
        attention = CacheAttention(plan: plan, instructionSet: instructionSet, threads: threads)
    }

    /// Bytes of the work buffers.
    public var workBytes: Int {
        attention.workBytes + rounded.byteCount + rotary.reduce(0) { $0 + $1.byteCount }
    }

    /// Shares out rows in chunks.
    func forEachChunk<Work: ParallelWork>(of rows: Int, _ work: Work) {
        threads.run((rows + Self.rowsPerItem - 1) / Self.rowsPerItem, work)
    }
}

/// The rows of item `item` when `rows` rows are shared out in chunks.
func chunk(_ item: Int, of rows: Int) -> Range<Int> {
    let first = item * Operations.rowsPerItem
    return first..<min(first + Operations.rowsPerItem, rows)
}

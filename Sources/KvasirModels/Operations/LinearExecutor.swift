internal import CKvasir
public import KvasirNumerics

/// How activations enter a linear layer with quantized weights.
public enum ActivationPrecision: String, Sendable, Hashable, CaseIterable {
    /// Rounded to 8 bits per 32 of them, multiplied as integers: the fast path.
    case int8
    /// As they are; weights are widened to float32. For measuring what something else costs without that rounding.
    case float32
}

/// Runs linear layers on a thread pool; owns the scratch memory for rounded activations.
///
/// The result for a token is the same, bit for bit, whatever the number of tokens and threads. One call at a time.
public struct LinearExecutor: ~Copyable {
    /// How activations enter layers of quantized weights.
    public let precision: ActivationPrecision
    /// The instruction set of the kernels.
    public let instructionSet: InstructionSet

    private let pool: ThreadPool
    private let kernels: UnsafePointer<kv_linear_kernels>
    private var activations: AlignedBuffer<kv_activation_group>

    /// Makes an executor with room for `tokens` tokens of `columns` activations; it grows when a call needs more.
    ///
    /// - Precondition: this machine executes `instructionSet`.
    public init(
        instructionSet: InstructionSet, precision: ActivationPrecision = .int8, pool: ThreadPool, tokens: Int = 1,
        columns: Int = 0
    ) {
        precondition(instructionSet.isSupported, "this machine does not execute \(instructionSet)")
        self.instructionSet = instructionSet
        self.precision = precision
        self.pool = pool
        kernels = kv_linear_kernels_for(kv_isa(rawValue: instructionSet.code))
        activations = AlignedBuffer(zeroed: tokens * (columns / groupColumns))
    }

    /// The size of the scratch memory in bytes.
    public var scratchByteCount: Int { activations.byteCount }

    /// Computes `y[t][r]`, the outputs of `layer` for `tokens` tokens.
    ///
    /// - Parameters:
    ///   - x: `tokens` rows of `layer.columns` values, `xStride` values apart.
    ///   - y: `tokens` rows of `layer.rows` values, `yStride` values apart; must not overlap `x`.
    ///
    /// Allocates nothing once the scratch memory is large enough. A NaN or infinity among a token's activations makes
    /// all outputs of that token NaN when they are rounded to 8 bits.
    public mutating func apply(
        _ layer: LinearLayer, x: UnsafePointer<Float>, xStride: Int, tokens: Int, y: UnsafeMutablePointer<Float>,
        yStride: Int
    ) {
        precondition(tokens >= 0 && xStride >= 0 && yStride >= 0)
        guard tokens > 0 else { return }
        let wantsInt8 = precision == .int8 && layer.weights.contains { $0.isQuantized }
        if wantsInt8 {
            activations.reserve(tokens * (layer.columns / groupColumns))
            let work = QuantizeWork(
                kernels: kernels, x: x, xStride: xStride, columns: layer.columns, tokens: tokens,
                groups: activations.pointer)
            pool.run(work.itemCount, work)
        }
        let work = MultiplyWork(
            kernels: kernels, parts: layer.parts.pointer, partCount: layer.parts.count, tiles: layer.tiles,
            tilesPerItem: Self.tilesPerItem(layer, tokens: tokens), x: x, xStride: xStride,
            activations: wantsInt8 ? UnsafePointer(activations.pointer) : nil, tokens: tokens, y: y, yStride: yStride)
        pool.run(work.itemCount, work)
    }

    /// Tiles claimed at a time: about 48 KiB of weights for one token, so that claiming costs little beside reading
    /// them, and fewer the more tokens share them, so that a slow thread never holds the others up for long.
    private static func tilesPerItem(_ layer: LinearLayer, tokens: Int) -> Int {
        let bytesPerTile = max(layer.byteCount / layer.tiles, 1)
        return max(49_152 / (bytesPerTile * min(tokens, 64)), 1)
    }
}

private let groupColumns = KV_LINEAR_GROUP_COLUMNS

/// Rounding activations, a few tokens per item; a lone token is one item and stays on the calling thread.
private struct QuantizeWork: ParallelWork, BitwiseCopyable {
    let kernels: UnsafePointer<kv_linear_kernels>
    let x: UnsafePointer<Float>
    let xStride: Int
    let columns: Int
    let tokens: Int
    let groups: UnsafeMutablePointer<kv_activation_group>

    private static let tokensPerItem = 16

    var itemCount: Int { (tokens + Self.tokensPerItem - 1) / Self.tokensPerItem }

    func perform(item: Int, worker: Int) {
        let first = item * Self.tokensPerItem
        for token in first..<min(first + Self.tokensPerItem, tokens) {
            kernels.pointee.quantize(x + token * xStride, columns, groups + token * (columns / groupColumns))
        }
    }
}

/// Runs of row tiles, counted through all parts of a layer.
private struct MultiplyWork: ParallelWork, BitwiseCopyable {
    let kernels: UnsafePointer<kv_linear_kernels>
    let parts: UnsafeMutablePointer<LayerPart>
    let partCount: Int
    let tiles: Int
    let tilesPerItem: Int
    let x: UnsafePointer<Float>
    let xStride: Int
    let activations: UnsafePointer<kv_activation_group>?
    let tokens: Int
    let y: UnsafeMutablePointer<Float>
    let yStride: Int

    var itemCount: Int { (tiles + tilesPerItem - 1) / tilesPerItem }

    func perform(item: Int, worker: Int) {
        let begin = item * tilesPerItem
        let end = min(begin + tilesPerItem, tiles)
        for index in 0..<partCount {
            let part = parts + index
            let first = part.pointee.firstTile
            let from = max(begin, first) - first
            let to = min(end - first, part.pointee.tiles)
            guard from < to else { continue }
            let out = y + part.pointee.firstRow
            withUnsafePointer(to: part.pointee.matrix) { matrix in
                if let activations, kv_linear_is_quantized(matrix.pointee.type) {
                    kernels.pointee.multiply(matrix, from, to, activations, tokens, out, yStride)
                } else {
                    kernels.pointee.multiply_f32(matrix, from, to, x, xStride, tokens, out, yStride)
                }
            }
        }
    }
}

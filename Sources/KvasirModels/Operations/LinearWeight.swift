internal import CKvasir
internal import KvasirNumerics
internal import KvasirWeights

/// The matrix of a linear layer, repacked for the kernels: tiles of 16 rows, so that lanes are rows.
final class LinearWeight: @unchecked Sendable {  // written by the initializer only
    /// Output width.
    let rows: Int
    /// Input width.
    let columns: Int
    /// Whether the matrix can be multiplied by 8-bit activations.
    let isQuantized: Bool

    /// Bytes in memory.
    let byteCount: Int
    /// What is added to every output; nil for nothing.
    let bias: [Float]?

    private let type: kv_weight_type
    private let arena: MemoryArena
    private let packed: UnsafeMutableRawPointer

    /// Rows that lie side by side.
    static let tileRows = Int(KV_LINEAR_TILE_ROWS)
    /// Columns that share an activation scale.
    static let groupColumns = Int(KV_LINEAR_GROUP_COLUMNS)

    /// Repacks a tensor into memory of the arena, on all threads, and lets the system take its pages back.
    ///
    /// - Throws: `ModelError` if the tensor's type has no kernels or its columns do not fit them.
    init(
        _ tensor: WeightTensor, bias: [Float]? = nil, in arena: MemoryArena, threads: ThreadPool
    ) throws(ModelError) {
        precondition(bias == nil || bias?.count == tensor.rows, "a bias for every output")
        let type = kv_weight_type(rawValue: tensor.type.rawValue)
        let bytes = Self.packedBytes(tensor)
        guard bytes > 0 else {
            throw ModelError(
                .badTensor, received: "\(tensor.name): \(tensor.rows) x \(tensor.columns) \(tensor.type.name)",
                remedy: "expected a matrix whose rows are whole blocks of 32 values")
        }
        rows = tensor.rows
        columns = tensor.columns
        self.bias = bias
        isQuantized = kv_linear_is_quantized(type)
        self.type = type
        self.arena = arena
        packed = arena.allocate(bytes)
        byteCount = bytes
        let tiles = kv_linear_tiles(rows)
        let chunk = 8
        let (target, rowBytes, rowCount, columnCount) = (packed, tensor.rowBytes, rows, columns)
        tensor.withUnsafeBytes { source in
            threads.run((tiles + chunk - 1) / chunk) { item, _ in
                kv_linear_repack(
                    type, source.baseAddress, rowBytes, rowCount, columnCount, item * chunk,
                    min((item + 1) * chunk, tiles), target)
            }
        }
        tensor.releasePages()
    }

    /// Tiles of rows.
    var tiles: Int { kv_linear_tiles(rows) }

    /// Bytes a tensor takes as the matrix of a linear layer; 0 if its type or width has no kernels.
    static func packedBytes(_ tensor: WeightTensor) -> Int {
        kv_linear_packed_bytes(kv_weight_type(rawValue: tensor.type.rawValue), tensor.rows, tensor.columns)
    }

    /// The most that a tensor takes, as it is or transposed.
    static func mostPackedBytes(_ tensor: WeightTensor) -> Int {
        let type = kv_weight_type(rawValue: tensor.type.rawValue)
        return max(packedBytes(tensor), kv_linear_packed_bytes(type, tensor.columns, tensor.rows))
    }

    /// The matrix as the kernels take it; valid while this object lives.
    var kernelWeight: kv_linear_weight {
        kv_linear_weight(type: type, rows: rows, columns: columns, packed: packed)
    }

    /// Writes one row as floats.
    func unpackRow(_ row: Int, into values: UnsafeMutablePointer<Float>) {
        precondition(row >= 0 && row < rows, "row outside the matrix")
        withUnsafePointer(to: kernelWeight) { kv_linear_unpack_row($0, row, values) }
    }
}

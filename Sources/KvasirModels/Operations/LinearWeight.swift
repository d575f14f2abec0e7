internal import CKvasir
internal import KvasirNumerics
internal import KvasirWeights

/// The matrix of a linear layer, repacked for the kernels: tiles of 16 rows, so that lanes are rows.
final class LinearWeight: Sendable {
    /// Output width.
    let rows: Int
    /// Input width.
    let columns: Int
    /// Whether the matrix can be multiplied by 8-bit activations.
    let isQuantized: Bool

    private let type: kv_weight_type
    private let packed: AlignedBuffer<UInt8>

    /// Columns that share an activation scale.
    static let groupColumns = Int(KV_LINEAR_GROUP_COLUMNS)

    /// Repacks a tensor, on all threads, and lets the system take its pages back.
    ///
    /// - Throws: `ModelError` if the tensor's type has no kernels or its columns do not fit them.
    init(_ tensor: WeightTensor, threads: ThreadPool) throws(ModelError) {
        let type = kv_weight_type(rawValue: tensor.type.rawValue)
        let bytes = kv_linear_packed_bytes(type, tensor.rows, tensor.columns)
        guard bytes > 0 else {
            throw ModelError(
                .badTensor, received: "\(tensor.name): \(tensor.rows) x \(tensor.columns) \(tensor.type.name)",
                remedy: "expected a matrix whose rows are whole blocks of 32 values")
        }
        rows = tensor.rows
        columns = tensor.columns
        isQuantized = kv_linear_is_quantized(type)
        self.type = type
        packed = AlignedBuffer(zeroed: bytes)
        let tiles = kv_linear_tiles(rows)
        let chunk = 8
        let (target, rowBytes, rowCount, columnCount) = (packed.pointer, tensor.rowBytes, rows, columns)
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

    /// Bytes in memory.
    var byteCount: Int { packed.byteCount }

    /// The matrix as the kernels take it; valid while this object lives.
    var kernelWeight: kv_linear_weight {
        kv_linear_weight(type: type, rows: rows, columns: columns, packed: packed.pointer)
    }
}

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

    /// Takes a matrix of floats, as it is or rounded to 8 bits, into memory of the arena.
    ///
    /// - Parameters:
    ///   - floats: rows x columns, all finite.
    ///   - rounding: nil for float32.
    init(
        _ floats: FloatMatrix, bias: [Float]?, rounding: WeightRounding?, in arena: MemoryArena, threads: ThreadPool
    ) {
        precondition(bias == nil || bias?.count == floats.rows, "a bias for every output")
        precondition(rounding == nil || floats.columns <= Self.mostRoundedColumns, "integer sums must not overflow")
        rows = floats.rows
        columns = floats.columns
        self.bias = bias
        self.arena = arena
        isQuantized = rounding != nil
        type = Self.type(rounding)
        byteCount = kv_linear_packed_bytes(type, rows, columns)
        packed = arena.allocate(byteCount)
        let limit = rounding == .perTensor ? floats.largestMagnitude : 0
        let chunk = 8
        let (tiles, target, type) = (kv_linear_tiles(rows), packed, type)
        threads.run((tiles + chunk - 1) / chunk) { item, _ in
            let (first, last) = (item * chunk, min((item + 1) * chunk, tiles))
            if type == KV_WEIGHT_F32 {
                kv_linear_repack(
                    type, floats.pointer, floats.stride * MemoryLayout<Float>.stride, floats.rows, floats.columns,
                    first,
                    last, target)
            } else {
                kv_linear_round_rows(
                    floats.pointer, floats.stride, floats.rows, floats.columns, limit, first, last, target)
            }
        }
    }

    /// The most columns of a matrix that can be rounded to 8 bits.
    static let mostRoundedColumns = Int(KV_LINEAR_MOST_INT8_COLUMNS)

    private static func type(_ rounding: WeightRounding?) -> kv_weight_type {
        rounding == nil ? KV_WEIGHT_F32 : KV_WEIGHT_INT8_ROW
    }

    /// How the activations that meet this matrix are rounded: with one scale for a token, or in groups of columns.
    var takesWholeTokens: Bool { type == KV_WEIGHT_INT8_ROW }

    /// Tiles of rows.
    var tiles: Int { kv_linear_tiles(rows) }

    /// Bytes a tensor takes as the matrix of a linear layer; 0 if its type or width has no kernels.
    static func packedBytes(_ tensor: WeightTensor) -> Int {
        kv_linear_packed_bytes(kv_weight_type(rawValue: tensor.type.rawValue), tensor.rows, tensor.columns)
    }

    /// The most that a tensor takes, as it is or transposed, or converted.
    static func mostPackedBytes(_ tensor: WeightTensor, _ conversion: WeightConversion?) -> Int {
        func bytes(_ type: kv_weight_type) -> Int {
            max(
                kv_linear_packed_bytes(type, tensor.rows, tensor.columns),
                kv_linear_packed_bytes(type, tensor.columns, tensor.rows))
        }
        let own = bytes(kv_weight_type(rawValue: tensor.type.rawValue))
        return conversion.map { max(own, bytes(type($0.rounding))) } ?? own
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

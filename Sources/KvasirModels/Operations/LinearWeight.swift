public import CKvasir
public import KvasirNumerics

/// A weight matrix, `rows` x `columns`, repacked once for the kernels: 16 rows side by side.
///
/// Packing is exact: a row read back equals the row of the file. A block format takes its own size or up to an eighth
/// of a bit per weight more; rows are padded to a multiple of 16.
public final class LinearWeight: Sendable {
    /// The format of the blocks it was made from, which decides the packed layout.
    public let type: kv_weight_type
    /// Output features.
    public let rows: Int
    /// Input features.
    public let columns: Int

    private let packed: AlignedBuffer<UInt8>

    /// Repacks a matrix from its block format, row after row without gaps, as it stands in a model file.
    ///
    /// `source` needs no alignment and may be released afterwards. With a pool, all its threads take part.
    ///
    /// - Throws: `LinearWeightError` if the type has no kernels, `columns` is no multiple of its block, or `source` does
    ///   not hold exactly `rows` rows.
    public init(
        type: kv_weight_type, rows: Int, columns: Int, source: UnsafeRawBufferPointer, pool: ThreadPool? = nil
    ) throws(LinearWeightError) {
        func refuse(_ reason: LinearWeightError.Reason) -> LinearWeightError {
            LinearWeightError(reason: reason, type: type, rows: rows, columns: columns)
        }
        guard rows > 0, columns > 0 else { throw refuse(.emptyShape) }
        guard kv_linear_row_bytes(type, 1) != 0 || kv_linear_is_quantized(type) else { throw refuse(.unknownType) }
        let rowBytes = kv_linear_row_bytes(type, columns)
        guard rowBytes != 0 else { throw refuse(.columnsNotInBlocks) }
        let (byteCount, overflows) = rowBytes.multipliedReportingOverflow(by: rows)
        guard !overflows, byteCount == source.count, let base = source.baseAddress else {
            throw refuse(.wrongSourceSize(received: source.count))
        }
        let packedBytes = kv_linear_packed_bytes(type, rows, columns)
        guard packedBytes > 0 else { throw refuse(.wrongSourceSize(received: source.count)) }

        self.type = type
        self.rows = rows
        self.columns = columns
        packed = AlignedBuffer(zeroed: packedBytes)
        let work = RepackWork(
            type: type, rows: rows, columns: columns, rowBytes: rowBytes, source: base, packed: packed.pointer)
        if let pool {
            pool.run(work.itemCount, work)
        } else {
            for item in 0..<work.itemCount { work.perform(item: item, worker: 0) }
        }
    }

    /// Memory taken by the packed matrix.
    public var byteCount: Int { packed.byteCount }

    /// Whether the kernels can multiply it by 8-bit activations; a float type only takes float32 ones.
    public var isQuantized: Bool { kv_linear_is_quantized(type) }

    /// Writes one row as float32: an embedding, where input and output share a matrix.
    public func copyRow(_ row: Int, into values: UnsafeMutablePointer<Float>) {
        precondition(row >= 0 && row < rows, "row \(row) is outside 0..<\(rows)")
        withUnsafePointer(to: matrix) { kv_linear_unpack_row($0, row, values) }
    }

    /// What the kernels see; valid as long as this object lives.
    var matrix: kv_linear_weight {
        kv_linear_weight(type: type, rows: rows, columns: columns, packed: UnsafeRawPointer(packed.pointer))
    }
}

/// Packing in runs of tiles.
private struct RepackWork: ParallelWork, BitwiseCopyable {
    let type: kv_weight_type
    let rows: Int
    let columns: Int
    let rowBytes: Int
    let source: UnsafeRawPointer
    let packed: UnsafeMutablePointer<UInt8>

    private static let tilesPerItem = 8

    private var tiles: Int { kv_linear_tiles(rows) }
    var itemCount: Int { (tiles + Self.tilesPerItem - 1) / Self.tilesPerItem }

    func perform(item: Int, worker: Int) {
        let begin = item * Self.tilesPerItem
        let end = min(begin + Self.tilesPerItem, tiles)
        kv_linear_repack(type, source, rowBytes, rows, columns, begin, end, packed)
    }
}

/// A matrix that cannot become a `LinearWeight`.
public struct LinearWeightError: Error, Equatable, CustomStringConvertible {
    /// What is wrong with it.
    public enum Reason: Sendable, Equatable {
        /// The number of rows or columns is not positive.
        case emptyShape
        /// The kernels have no layout for the type.
        case unknownType
        /// The columns are no multiple of the type's block.
        case columnsNotInBlocks
        /// The bytes received are not those of the shape.
        case wrongSourceSize(received: Int)
    }

    /// What is wrong.
    public let reason: Reason
    /// ggml's number of the type.
    public let type: UInt32
    /// The rows that were asked for.
    public let rows: Int
    /// The columns that were asked for.
    public let columns: Int

    init(reason: Reason, type: kv_weight_type, rows: Int, columns: Int) {
        self.reason = reason
        self.type = type.rawValue
        self.rows = rows
        self.columns = columns
    }

    /// One line: what was received, and what to do.
    public var description: String {
        let matrix = "a \(rows) x \(columns) matrix of weight type \(type)"
        return switch reason {
        case .emptyShape:
            "cannot use \(matrix): rows and columns must be positive"
        case .unknownType:
            "cannot use \(matrix): convert it to F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K or Q6_K"
        case .columnsNotInBlocks:
            "cannot use \(matrix): its columns are not a multiple of the type's block; choose a type with smaller blocks"
        case .wrongSourceSize(let received):
            "cannot use \(matrix): \(received) bytes are not what this shape takes; the file may be damaged"
        }
    }
}

internal import CKvasir

/// A named tensor of weights in its file's block format.
///
/// A value of this type keeps the memory it refers to alive. It does not depend on the file format it came from.
public struct WeightTensor: Sendable {
    /// The name in the file, such as `blk.0.attn_q.weight`.
    public let name: String

    /// The format of the values.
    public let type: TensorType

    /// The dimensions, the contiguous one first (GGUF's order, the reverse of row-major frameworks); empty for a scalar.
    public let shape: [Int]

    /// The memory the tensor lies in.
    public let storage: any WeightStorage

    /// Where the tensor lies in `storage.bytes`; any alignment.
    public let byteRange: Range<Int>

    private let layout: TensorLayout

    /// Describes the tensor that starts at byte `offset` of `storage`.
    ///
    /// - Throws: `WeightError` if a dimension is not positive, rows do not divide into the type's blocks, or the tensor
    ///   would reach outside the storage.
    public init(
        name: String, type: TensorType, shape: [Int], storage: any WeightStorage, offset: Int = 0
    ) throws(WeightError) {
        let layout: TensorLayout
        do {
            layout = try TensorLayout(type: type, shape: shape)
        } catch {
            throw WeightError(tensor: name, reason: .malformed, problem: "shape \(shape) is impossible: \(error.text)")
        }
        let available = storage.bytes.count
        guard offset >= 0, offset <= available, layout.byteCount <= available - offset else {
            throw WeightError(
                tensor: name, reason: .malformed,
                problem: "needs \(layout.byteCount) bytes from byte \(offset), but there are \(available) in all")
        }
        self.init(name: name, type: type, shape: shape, layout: layout, storage: storage, offset: offset)
    }

    /// Describes a tensor whose place in `storage` has been checked.
    init(
        name: String, type: TensorType, shape: [Int], layout: TensorLayout, storage: any WeightStorage, offset: Int
    ) {
        self.name = name
        self.type = type
        self.shape = shape
        self.layout = layout
        self.storage = storage
        byteRange = offset..<offset + layout.byteCount
        precondition(byteRange.upperBound <= storage.bytes.count, "tensor outside its storage")
    }

    /// Values in a contiguous row: `shape[0]`, the input width of a linear layer.
    public var columns: Int { layout.columns }

    /// Rows: the product of the other dimensions, the output width of a linear layer.
    public var rows: Int { layout.rows }

    /// Bytes of one row.
    public var rowBytes: Int { layout.rowBytes }

    /// Bytes of the whole tensor.
    public var byteCount: Int { layout.byteCount }

    /// The packed rows, one after the other, unaligned.
    ///
    /// Valid while `storage` lives: keep this tensor, or a copy, as long as the pointer is in use.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: storage.bytes[byteRange]) }

    /// Calls `body` with the packed rows, which are valid during the call.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(storage) {} }
        return try body(bytes)
    }

    /// Lets the system take back the memory of the packed rows, for instance once they have been repacked.
    ///
    /// They can still be read afterwards; a mapped file is then read again.
    public func releasePages() { storage.releasePages(in: byteRange) }

    /// Converts a range of rows to float32.
    ///
    /// - Parameters:
    ///   - range: The rows, within `0..<rows`.
    ///   - output: Room for exactly `range.count * columns` values, row by row.
    public func dequantize(rows range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows outside the tensor")
        precondition(output.count == range.count * columns, "output does not hold the rows exactly")
        guard let values = output.baseAddress, !range.isEmpty else { return }
        withUnsafeBytes { packed in
            guard let start = packed.baseAddress else { return }
            let converted = kv_dequantize(type.code, start + range.lowerBound * rowBytes, values, output.count)
            precondition(converted, "rows are whole blocks of a known type")
        }
    }

    /// Converts one row to float32.
    ///
    /// - Parameters:
    ///   - row: The row, within `0..<rows`.
    ///   - output: Room for exactly `columns` values.
    public func dequantizedRow(_ row: Int, into output: UnsafeMutableBufferPointer<Float>) {
        precondition(row >= 0 && row < rows, "row outside the tensor")
        dequantize(rows: row..<row + 1, into: output)
    }

    /// Returns the whole tensor as float32, row by row; for small tensors such as the weights of a norm.
    public func dequantized() -> [Float] {
        let count = rows * columns
        return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            dequantize(rows: 0..<rows, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
            initialized = count
        }
    }
}

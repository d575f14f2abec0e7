/// A view of float32 rows at equal distances in memory that somebody else owns.
public struct FloatMatrix {
    /// The first value of the first row.
    public let pointer: UnsafeMutablePointer<Float>
    /// The number of rows.
    public let rows: Int
    /// Values in a row.
    public let columns: Int
    /// Values from the start of one row to the start of the next.
    public let stride: Int

    /// Creates a view; without a stride, rows lie one after the other.
    public init(_ pointer: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int? = nil) {
        self.pointer = pointer
        self.rows = rows
        self.columns = columns
        self.stride = stride ?? columns
    }

    /// The first value of a row.
    public func row(_ index: Int) -> UnsafeMutablePointer<Float> { pointer + index * stride }

    /// Some of the rows.
    public func rows(_ range: Range<Int>) -> FloatMatrix {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows outside the matrix")
        return FloatMatrix(row(range.lowerBound), rows: range.count, columns: columns, stride: stride)
    }

    /// Some of the columns of every row.
    public func columns(_ range: Range<Int>) -> FloatMatrix {
        precondition(range.lowerBound >= 0 && range.upperBound <= columns, "columns outside the matrix")
        return FloatMatrix(pointer + range.lowerBound, rows: rows, columns: range.count, stride: stride)
    }
}

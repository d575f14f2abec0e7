internal import KvasirNumerics

/// A matrix of float32 activations: one row per token of a step.
///
/// Grows to the largest step it has held and never shrinks; growing loses the contents.
final class Activations {
    /// Values in a row.
    let columns: Int
    /// Rows of the current step.
    private(set) var rows = 0

    private var buffer = AlignedBuffer<Float>(zeroed: 0)

    init(columns: Int) { self.columns = columns }

    /// Makes room for the rows of a step.
    func resize(rows: Int) {
        buffer.reserve(rows * columns)
        self.rows = rows
    }

    /// The rows of the step; valid until the next `resize`.
    var matrix: FloatMatrix { FloatMatrix(buffer.pointer, rows: rows, columns: columns) }

    /// Bytes held.
    var byteCount: Int { buffer.byteCount }
}

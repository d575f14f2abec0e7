internal import KvasirEngine
internal import KvasirModels

/// A buffer for some rows of logits, filled as often as needed.
final class LogitRows {
    private let engine: InferenceEngine
    private let rows: Int
    private var buffer: [Float]

    init(engine: InferenceEngine, rows: Int) {
        self.engine = engine
        self.rows = rows
        buffer = [Float](repeating: 0, count: rows * engine.vocabularySize)
    }

    /// Calls `body` with the logits of every row of the last step in a range.
    func forEach(rows range: Range<Int>, _ body: (_ row: Int, _ logits: Span<Float>) throws -> Void) throws {
        let width = engine.vocabularySize
        for first in stride(from: range.lowerBound, to: range.upperBound, by: rows) {
            let end = min(first + rows, range.upperBound)
            try buffer.withUnsafeMutableBufferPointer { buffer in
                engine.logits(rows: first..<end, into: buffer)
                for row in first..<end {
                    let offset = (row - first) * width
                    try body(row, UnsafeBufferPointer(rebasing: buffer[offset..<offset + width]).span)
                }
            }
        }
    }
}

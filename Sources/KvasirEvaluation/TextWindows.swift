internal import KvasirEngine
internal import KvasirModels
internal import KvasirTokenizers

/// A text's tokens cut into windows of equal length that share nothing.
struct TextWindows {
    /// Windows.
    let count: Int

    private let tokens: [Int32]
    private let context: Int
    /// What a model that was trained with a first token gets in every window.
    private let first: Int32?

    /// Checks what can be checked without a text.
    static func check(context: Int, count: Int?) throws(EvaluationError) {
        guard context >= 4 else {
            throw EvaluationError(received: "windows of \(context) tokens", remedy: "use at least 4")
        }
        if let count, count < 1 {
            throw EvaluationError(received: "\(count) windows", remedy: "score at least one, or all by default")
        }
    }

    /// Cuts a text; all windows that it fills if `count` is nil.
    ///
    /// - Throws: `EvaluationError` if a window exceeds the engine's context or the text does not fill them.
    init(_ text: [UInt8], context: Int, count: Int?, engine: InferenceEngine) throws(EvaluationError) {
        guard context <= engine.contextLength else {
            throw EvaluationError(
                received: "windows of \(context) tokens",
                remedy: "the engine's context holds \(engine.contextLength); use shorter windows")
        }
        let tokenizer = engine.model.tokenizer
        tokens = tokenizer.encode(text, addSpecial: true, parseSpecial: false)
        let available = tokens.count / context
        guard available > 0 else {
            throw EvaluationError(
                received: "a text of \(tokens.count) tokens",
                remedy: "it does not fill a window of \(context); use a longer text or a shorter window")
        }
        if let count, count > available {
            throw EvaluationError(
                received: "\(count) windows of \(context) tokens",
                remedy: "the text fills \(available); use fewer or shorter windows, or a longer text")
        }
        self.context = context
        self.count = count ?? available
        first = tokenizer.addsBOS ? tokenizer.bosID : nil
    }

    /// The tokens of a window.
    subscript(window: Int) -> [Int32] {
        var piece = Array(tokens[window * context..<(window + 1) * context])
        if let first { piece[0] = first }
        return piece
    }

    /// The rows of a step that ran positions `chunk` whose positions are among `scored`.
    static func rows(of scored: Range<Int>, in chunk: Range<Int>) -> Range<Int> {
        let positions = scored.clamped(to: chunk)
        return positions.isEmpty
            ? 0..<0 : positions.lowerBound - chunk.lowerBound..<positions.upperBound - chunk.lowerBound
    }
}

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

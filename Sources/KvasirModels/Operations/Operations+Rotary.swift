internal import CKvasir
internal import Foundation
internal import KvasirCache
internal import KvasirCodecs
internal import KvasirNumerics

extension Operations {
    /// Computes the cosines and sines of every row of a step for each of a model's rotary embeddings.
    ///
    /// Pair i of a head turns by position x frequency i. Angles are computed in double precision: in single precision
    /// those of late positions would be off by a thousandth of a turn.
    func makeRotaryTables(for step: ForwardStep, _ embeddings: [RotaryEmbedding]) {
        while rotary.count < embeddings.count { rotary.append(RotaryBuffer()) }
        for (embedding, buffer) in zip(embeddings, rotary) { buffer.fill(for: step, embedding) }
    }

    /// The table of one of the model's rotary embeddings for the step at hand.
    func rotaryTable(_ index: Int) -> RotaryTable {
        guard let table = rotary[index].table else { preconditionFailure("tables are made when a step begins") }
        return table
    }

    /// Turns the pairs of channels of every head by the row's angles; channels beyond the table's pairs stay.
    func rotate(_ values: FloatMatrix, heads: Int, _ table: RotaryTable) {
        let kernel =
            table.order == .halves ? elementwise.pointee.rope_half : elementwise.pointee.rope_interleaved
        guard let kernel else { preconditionFailure("every table of kernels is complete") }
        forEachChunk(of: values.rows, RotateWork(kernel: kernel, table: table, values: values, heads: heads))
    }
}

/// Cosines and sines of a step: rows x pairs; valid until the next step.
struct RotaryTable {
    let cosines: UnsafePointer<Float>
    let sines: UnsafePointer<Float>
    let pairs: Int
    let order: ChannelOrder
}

extension RotaryTable {
    /// Calls `body` with the table of the opposite turns.
    ///
    /// - Parameter rows: rows of the step.
    func withInverse(rows: Int, _ body: (RotaryTable) -> Void) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: rows * pairs) { negative in
            guard let base = negative.baseAddress else { return }
            for index in 0..<rows * pairs { negative.initializeElement(at: index, to: -sines[index]) }
            body(RotaryTable(cosines: cosines, sines: base, pairs: pairs, order: order))
        }
    }
}

/// A rotary table and its memory.
final class RotaryBuffer {
    /// The table of the last step; nil before the first.
    private(set) var table: RotaryTable?
    private var values = AlignedBuffer<Float>(zeroed: 0)

    var byteCount: Int { values.byteCount }

    func fill(for step: ForwardStep, _ embedding: RotaryEmbedding) {
        let pairs = embedding.frequencies.count
        values.reserve(2 * step.rows * pairs)
        let cosines = values.pointer
        let sines = cosines + step.rows * pairs
        for (pair, frequency) in embedding.frequencies.enumerated() {
            var row = 0
            for segment in step.segments {
                for position in segment.sequence.count..<segment.sequence.count + segment.tokens.count {
                    let angle = Double(position) * frequency
                    cosines[row * pairs + pair] = Float(cos(angle))
                    sines[row * pairs + pair] = Float(sin(angle))
                    row += 1
                }
            }
        }
        table = RotaryTable(cosines: cosines, sines: sines, pairs: pairs, order: embedding.order)
    }
}

private struct RotateWork: ParallelWork {
    let kernel: @convention(c) (UnsafeMutablePointer<Float>?, UnsafePointer<Float>?, UnsafePointer<Float>?, Int) -> Void
    let table: RotaryTable
    let values: FloatMatrix
    let heads: Int

    func perform(item: Int, worker: Int) {
        let headSize = values.columns / heads
        for row in chunk(item, of: values.rows) {
            for head in 0..<heads {
                kernel(
                    values.row(row) + head * headSize, table.cosines + row * table.pairs,
                    table.sines + row * table.pairs, table.pairs)
            }
        }
    }
}

internal import CKvasir
internal import Foundation
internal import KvasirCache
internal import KvasirNumerics
internal import KvasirWeights

extension Operations {
    /// Writes the embedding of every token of a step.
    func embed(_ step: ForwardStep, from table: WeightTensor, into hidden: Activations) {
        var row = 0
        for segment in step.segments {
            for token in segment.tokens {
                table.dequantizedRow(
                    Int(token),
                    into: UnsafeMutableBufferPointer(
                        start: hidden.pointer + row * hidden.columns, count: hidden.columns))
                row += 1
            }
        }
    }

    /// Computes RMS norms: `output = x * weight / sqrt(mean(x^2) + epsilon)`, row by row.
    ///
    /// `rows` of the input become the first rows of the output.
    func normalize(
        _ input: Activations, _ weight: [Float], epsilon: Float, into output: Activations, rows: Range<Int>? = nil
    ) {
        let rows = rows ?? 0..<input.rows
        weight.withUnsafeBufferPointer { weight in
            guard let weight = weight.baseAddress else { return }
            forEachChunk(
                of: rows.count,
                NormalizeWork(
                    normalize: elementwise.pointee.rms_norm, input: input.pointer + rows.lowerBound * input.columns,
                    weight: weight, output: output.pointer, rows: rows.count, columns: input.columns, epsilon: epsilon))
        }
    }

    /// Computes `gate = silu(gate) * up`.
    func swiglu(gate: Activations, up: Activations) {
        forEachChunk(
            of: gate.rows,
            SwigluWork(
                swiglu: elementwise.pointee.swiglu, gate: gate.pointer, up: up.pointer, rows: gate.rows,
                columns: gate.columns))
    }

    /// Adds `delta` to `hidden`.
    func add(_ delta: Activations, to hidden: Activations) {
        forEachChunk(
            of: hidden.rows,
            AddWork(
                add: elementwise.pointee.add, delta: delta.pointer, hidden: hidden.pointer, rows: hidden.rows,
                columns: hidden.columns))
    }

    /// Computes the cosines and sines of every row of a step: pair i of a head turns by position x base^(-2i / dimensions).
    ///
    /// Source: Su et al., "RoFormer" (arXiv:2104.09864), section 3.2.2. Angles are computed in double precision: in single
    /// precision those of late positions would be off by a thousandth of a turn.
    func rotaryTable(for step: ForwardStep, dimensions: Int, base: Double) -> RotaryTable {
        let pairs = dimensions / 2
        cosines.reserve(step.rows * pairs)
        sines.reserve(step.rows * pairs)
        var row = 0
        for segment in step.segments {
            for index in segment.tokens.indices {
                let position = Double(segment.sequence.count + index)
                for pair in 0..<pairs {
                    let angle = position * pow(base, -2 * Double(pair) / Double(dimensions))
                    cosines[row * pairs + pair] = Float(cos(angle))
                    sines[row * pairs + pair] = Float(sin(angle))
                }
                row += 1
            }
        }
        return RotaryTable(cosines: cosines.pointer, sines: sines.pointer, pairs: pairs)
    }

    /// Turns neighbouring channels of every head by the row's angles; channels beyond the table's pairs stay.
    func rotate(_ activations: Activations, heads: Int, _ table: RotaryTable) {
        forEachChunk(
            of: activations.rows,
            RotateWork(
                rotate: elementwise.pointee.rope_interleaved, table: table, values: activations.pointer,
                rows: activations.rows, heads: heads, headSize: activations.columns / heads))
    }
}

/// Cosines and sines of a step: rows x pairs; valid until the next step.
struct RotaryTable {
    let cosines: UnsafePointer<Float>
    let sines: UnsafePointer<Float>
    let pairs: Int
}

private struct NormalizeWork: ParallelWork {
    let normalize:
        @convention(c) (UnsafePointer<Float>?, UnsafePointer<Float>?, UnsafeMutablePointer<Float>?, Int, Float) -> Void
    let input: UnsafePointer<Float>
    let weight: UnsafePointer<Float>
    let output: UnsafeMutablePointer<Float>
    let rows: Int
    let columns: Int
    let epsilon: Float

    func perform(item: Int, worker: Int) {
        for row in chunk(item, of: rows) {
            normalize(input + row * columns, weight, output + row * columns, columns, epsilon)
        }
    }
}

private struct SwigluWork: ParallelWork {
    let swiglu: @convention(c) (UnsafePointer<Float>?, UnsafePointer<Float>?, UnsafeMutablePointer<Float>?, Int) -> Void
    let gate: UnsafeMutablePointer<Float>
    let up: UnsafePointer<Float>
    let rows: Int
    let columns: Int

    func perform(item: Int, worker: Int) {
        for row in chunk(item, of: rows) {
            swiglu(gate + row * columns, up + row * columns, gate + row * columns, columns)
        }
    }
}

private struct AddWork: ParallelWork {
    let add: @convention(c) (UnsafeMutablePointer<Float>?, UnsafePointer<Float>?, Int) -> Void
    let delta: UnsafePointer<Float>
    let hidden: UnsafeMutablePointer<Float>
    let rows: Int
    let columns: Int

    func perform(item: Int, worker: Int) {
        for row in chunk(item, of: rows) { add(hidden + row * columns, delta + row * columns, columns) }
    }
}

private struct RotateWork: ParallelWork {
    let rotate: @convention(c) (UnsafeMutablePointer<Float>?, UnsafePointer<Float>?, UnsafePointer<Float>?, Int) -> Void
    let table: RotaryTable
    let values: UnsafeMutablePointer<Float>
    let rows: Int
    let heads: Int
    let headSize: Int

    func perform(item: Int, worker: Int) {
        for row in chunk(item, of: rows) {
            for head in 0..<heads {
                rotate(
                    values + (row * heads + head) * headSize, table.cosines + row * table.pairs,
                    table.sines + row * table.pairs, table.pairs)
            }
        }
    }
}

internal import CKvasir
internal import Foundation
internal import KvasirCache
internal import KvasirNumerics
internal import KvasirWeights

extension Operations {
    /// Writes the embedding of every token of a step.
    func embed(_ step: ForwardStep, from table: EmbeddingTable, into hidden: FloatMatrix) {
        var row = 0
        for segment in step.segments {
            for token in segment.tokens {
                table.read(Int(token), into: hidden.row(row))
                row += 1
            }
        }
    }

    /// Computes RMS norms, row by row: `output = x * weight / sqrt(mean(x^2) + epsilon)`.
    func normalize(_ input: FloatMatrix, _ weight: [Float], epsilon: Float, into output: FloatMatrix) {
        weight.withUnsafeBufferPointer { weight in
            guard let weight = weight.baseAddress else { return }
            forEachChunk(
                of: input.rows,
                NormalizeWork(kernels: elementwise, input: input, weight: weight, output: output, epsilon: epsilon))
        }
    }

    /// Computes `gate = silu(gate) * up`.
    func swiglu(gate: FloatMatrix, up: FloatMatrix) {
        forEachChunk(of: gate.rows, SwigluWork(kernels: elementwise, gate: gate, up: up))
    }

    /// Adds `delta` to `hidden`.
    func add(_ delta: FloatMatrix, to hidden: FloatMatrix) {
        forEachChunk(of: hidden.rows, AddWork(kernels: elementwise, delta: delta, hidden: hidden))
    }

    /// Computes the cosines and sines of every row of a step: pair i of a head turns by position x base^(-2i / dimensions).
    ///
    /// Source: Su et al., "RoFormer" (arXiv:2104.09864), section 3.2.2. Angles are computed in double precision: in single
    /// precision those of late positions would be off by a thousandth of a turn.
    func rotaryTable(for step: ForwardStep, dimensions: Int, base: Double) -> RotaryTable {
        let pairs = dimensions / 2
        cosines.reserve(step.rows * pairs)
        sines.reserve(step.rows * pairs)
        for pair in 0..<pairs {
            let frequency = pow(base, -2 * Double(pair) / Double(dimensions))
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
        return RotaryTable(cosines: cosines.pointer, sines: sines.pointer, pairs: pairs)
    }

    /// Turns neighbouring channels of every head by the row's angles; channels beyond the table's pairs stay.
    func rotate(_ values: FloatMatrix, heads: Int, _ table: RotaryTable) {
        forEachChunk(of: values.rows, RotateWork(kernels: elementwise, table: table, values: values, heads: heads))
    }
}

/// Where the embeddings of tokens are read from.
enum EmbeddingTable: Sendable {
    /// The file: rows that no token asks for take no memory.
    case file(WeightTensor)
    /// The repacked output matrix, which is in memory anyway where a model uses one matrix for both.
    case head(LinearWeight)

    func read(_ token: Int, into values: UnsafeMutablePointer<Float>) {
        switch self {
        case .file(let tensor):
            tensor.dequantizedRow(token, into: UnsafeMutableBufferPointer(start: values, count: tensor.columns))
        case .head(let weight): weight.unpackRow(token, into: values)
        }
    }
}

/// Cosines and sines of a step: rows x pairs; valid until the next step.
struct RotaryTable {
    let cosines: UnsafePointer<Float>
    let sines: UnsafePointer<Float>
    let pairs: Int
}

private struct NormalizeWork: ParallelWork {
    let kernels: UnsafePointer<kv_ops_kernels>
    let input: FloatMatrix
    let weight: UnsafePointer<Float>
    let output: FloatMatrix
    let epsilon: Float

    func perform(item: Int, worker: Int) {
        for row in chunk(item, of: input.rows) {
            kernels.pointee.rms_norm(input.row(row), weight, output.row(row), input.columns, epsilon)
        }
    }
}

private struct SwigluWork: ParallelWork {
    let kernels: UnsafePointer<kv_ops_kernels>
    let gate: FloatMatrix
    let up: FloatMatrix

    func perform(item: Int, worker: Int) {
        for row in chunk(item, of: gate.rows) {
            kernels.pointee.swiglu(gate.row(row), up.row(row), gate.row(row), gate.columns)
        }
    }
}

private struct AddWork: ParallelWork {
    let kernels: UnsafePointer<kv_ops_kernels>
    let delta: FloatMatrix
    let hidden: FloatMatrix

    func perform(item: Int, worker: Int) {
        for row in chunk(item, of: hidden.rows) {
            kernels.pointee.add(hidden.row(row), delta.row(row), hidden.columns)
        }
    }
}

private struct RotateWork: ParallelWork {
    let kernels: UnsafePointer<kv_ops_kernels>
    let table: RotaryTable
    let values: FloatMatrix
    let heads: Int

    func perform(item: Int, worker: Int) {
        let headSize = values.columns / heads
        for row in chunk(item, of: values.rows) {
            for head in 0..<heads {
                kernels.pointee.rope_interleaved(
                    values.row(row) + head * headSize, table.cosines + row * table.pairs,
                    table.sines + row * table.pairs, table.pairs)
            }
        }
    }
}

internal import CKvasir
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

    /// Writes the learned embedding of every token's position.
    ///
    /// - Parameter offset: rows of the table before that of the first position.
    func embedPositions(_ step: ForwardStep, from table: WeightTensor, offset: Int = 0, into output: FloatMatrix) {
        var row = 0
        for segment in step.segments {
            for position in segment.sequence.count..<segment.sequence.count + segment.tokens.count {
                table.dequantizedRow(
                    position + offset,
                    into: UnsafeMutableBufferPointer(start: output.row(row), count: output.columns))
                row += 1
            }
        }
    }

    /// Copies every row.
    func copy(_ input: FloatMatrix, into output: FloatMatrix) {
        for row in 0..<input.rows { output.row(row).update(from: input.row(row), count: input.columns) }
    }

    /// Normalizes every row; `output` may be `input`.
    func normalize(_ input: FloatMatrix, _ norm: Norm, into output: FloatMatrix) {
        normalize(input, heads: 1, norm, into: output)
    }

    /// Normalizes every head of every row by itself, with the same weights.
    func normalize(_ values: FloatMatrix, heads: Int, _ norm: Norm) {
        normalize(values, heads: heads, norm, into: values)
    }

    private func normalize(_ input: FloatMatrix, heads: Int, _ norm: Norm, into output: FloatMatrix) {
        precondition(norm.weight.count * heads == input.columns, "a weight for every channel")
        norm.weight.withUnsafeBufferPointer { weight in
            guard let weight = weight.baseAddress else { return }
            guard let bias = norm.bias else {
                forEachChunk(
                    of: input.rows,
                    NormalizeWork(
                        kernels: elementwise, input: input, heads: heads, weight: weight, bias: nil, output: output,
                        epsilon: norm.epsilon))
                return
            }
            bias.withUnsafeBufferPointer { bias in
                forEachChunk(
                    of: input.rows,
                    NormalizeWork(
                        kernels: elementwise, input: input, heads: heads, weight: weight, bias: bias.baseAddress,
                        output: output, epsilon: norm.epsilon))
            }
        }
    }

    /// Computes `gate = activation(gate) * up`.
    func activate(_ activation: GatedActivation, gate: FloatMatrix, up: FloatMatrix) {
        let kernel = activation.kernel(elementwise)
        forEachChunk(of: gate.rows, GateWork(kernel: kernel, gate: gate, up: up))
    }

    /// Computes `values = activation(values)`.
    func activate(_ activation: PlainActivation, _ values: FloatMatrix) {
        let kernel = activation.kernel(elementwise)
        forEachChunk(of: values.rows, ActivateWork(kernel: kernel, values: values))
    }

    /// Multiplies `values` by a number.
    func scale(_ values: FloatMatrix, by factor: Float) {
        forEachChunk(of: values.rows, ScaleWork(kernels: elementwise, values: values, factor: factor))
    }

    /// Adds `delta` to `hidden`.
    func add(_ delta: FloatMatrix, to hidden: FloatMatrix) {
        forEachChunk(of: hidden.rows, AddWork(kernels: elementwise, delta: delta, hidden: hidden))
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

private struct NormalizeWork: ParallelWork {
    let kernels: UnsafePointer<kv_ops_kernels>
    let input: FloatMatrix
    let heads: Int
    let weight: UnsafePointer<Float>
    let bias: UnsafePointer<Float>?
    let output: FloatMatrix
    let epsilon: Float

    func perform(item: Int, worker: Int) {
        let size = input.columns / heads
        for row in chunk(item, of: input.rows) {
            for head in 0..<heads {
                let (source, target) = (input.row(row) + head * size, output.row(row) + head * size)
                if let bias {
                    kernels.pointee.layer_norm(source, weight, bias, target, size, epsilon)
                } else {
                    kernels.pointee.rms_norm(source, weight, target, size, epsilon)
                }
            }
        }
    }
}

private struct GateWork: ParallelWork {
    let kernel: GatedActivation.Kernel
    let gate: FloatMatrix
    let up: FloatMatrix

    func perform(item: Int, worker: Int) {
        for row in chunk(item, of: gate.rows) { kernel(gate.row(row), up.row(row), gate.row(row), gate.columns) }
    }
}

private struct ActivateWork: ParallelWork {
    let kernel: PlainActivation.Kernel
    let values: FloatMatrix

    func perform(item: Int, worker: Int) {
        for row in chunk(item, of: values.rows) { kernel(values.row(row), values.columns) }
    }
}

private struct ScaleWork: ParallelWork {
    let kernels: UnsafePointer<kv_ops_kernels>
    let values: FloatMatrix
    let factor: Float

    func perform(item: Int, worker: Int) {
        for row in chunk(item, of: values.rows) { kernels.pointee.scale(values.row(row), factor, values.columns) }
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

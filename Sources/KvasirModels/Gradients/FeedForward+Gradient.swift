internal import Foundation
internal import KvasirNumerics

extension GatedMLP {
    func backward(
        _ gradient: FloatMatrix, into input: FloatMatrix, _ operations: GradientOperations,
        _ workspace: DecoderWorkspace
    ) {
        let both = workspace.gateAndUp.matrix
        operations.forward.multiply(workspace.normed.matrix, gateAndUp, into: both)
        let inner = operations.scratch(rows: gradient.rows, columns: down.columns)
        operations.multiplyTransposed(gradient, down, into: inner)
        operations.forward.forEachChunk(
            of: gradient.rows, GatedGradientWork(activation: activation, both: both, gradient: inner))
        operations.multiplyTransposed(both, gateAndUp, into: input)
    }
}

extension PlainMLP {
    func backward(
        _ gradient: FloatMatrix, into input: FloatMatrix, _ operations: GradientOperations,
        _ workspace: DecoderWorkspace
    ) {
        let hidden = workspace.gateAndUp.matrix.columns(0..<up.rows)
        operations.forward.multiply(workspace.normed.matrix, up, into: hidden)
        let inner = operations.scratch(rows: gradient.rows, columns: down.columns)
        operations.multiplyTransposed(gradient, down, into: inner)
        operations.forward.forEachChunk(
            of: gradient.rows, PlainGradientWork(activation: activation, hidden: hidden, gradient: inner))
        operations.multiplyTransposed(inner, up, into: input)
    }
}

extension GatedActivation {
    /// The activation of `x` and its derivative there.
    func valueAndSlope(_ x: Float) -> (value: Float, slope: Float) {
        switch self {
        case .silu:
            let sigmoid = 1 / (1 + exp(-x))
            return (x * sigmoid, sigmoid * (1 + x * (1 - sigmoid)))
        case .geluTanh: return geluTanhAndSlope(x)
        }
    }
}

extension PlainActivation {
    /// The derivative at `x`.
    func slope(_ x: Float) -> Float {
        switch self {
        case .relu: x > 0 ? 1 : 0
        case .geluTanh: geluTanhAndSlope(x).slope
        }
    }
}

/// GELU with its approximation by tanh, and its derivative.
private func geluTanhAndSlope(_ x: Float) -> (value: Float, slope: Float) {
    let root = (2 / Float.pi).squareRoot()
    let tangent = tanh(root * (x + 0.044715 * x * x * x))
    let inner = root * (1 + 3 * 0.044715 * x * x)
    return (0.5 * x * (1 + tangent), 0.5 * (1 + tangent) + 0.5 * x * (1 - tangent * tangent) * inner)
}

/// Turns gate and up of every row into their gradients, from that of their product.
private struct GatedGradientWork: ParallelWork {
    let activation: GatedActivation
    let both: FloatMatrix
    let gradient: FloatMatrix

    func perform(item: Int, worker: Int) {
        let count = gradient.columns
        for row in chunk(item, of: gradient.rows) {
            let (gate, up, product) = (both.row(row), both.row(row) + count, gradient.row(row))
            for index in 0..<count {
                let (value, slope) = activation.valueAndSlope(gate[index])
                gate[index] = product[index] * up[index] * slope
                up[index] = product[index] * value
            }
        }
    }
}

/// Turns the gradient of the activation into that of its input.
private struct PlainGradientWork: ParallelWork {
    let activation: PlainActivation
    let hidden: FloatMatrix
    let gradient: FloatMatrix

    func perform(item: Int, worker: Int) {
        for row in chunk(item, of: gradient.rows) {
            let (input, product) = (hidden.row(row), gradient.row(row))
            for index in 0..<gradient.columns { product[index] *= activation.slope(input[index]) }
        }
    }
}

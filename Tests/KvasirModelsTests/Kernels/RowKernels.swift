import CKvasir
import KvasirNumerics

/// The row operations of one instruction set, and the softmax they make up.
struct RowKernels {
    private let kernels: UnsafePointer<kv_ops_kernels>

    init(_ instructionSet: InstructionSet) {
        kernels = kv_ops_kernels_for(kv_isa(rawValue: instructionSet.code))
    }

    func rmsNorm(
        _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int,
        epsilon: Float
    ) {
        kernels.pointee.rms_norm(x, weight, out, count, epsilon)
    }

    func layerNorm(
        _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>,
        into out: UnsafeMutablePointer<Float>, count: Int, epsilon: Float
    ) {
        kernels.pointee.layer_norm(x, weight, bias, out, count, epsilon)
    }

    func geGLU(
        gate: UnsafePointer<Float>, up: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int
    ) {
        kernels.pointee.geglu_tanh(gate, up, out, count)
    }

    func gelu(_ x: UnsafeMutablePointer<Float>, count: Int) { kernels.pointee.gelu_tanh(x, count) }

    func relu(_ x: UnsafeMutablePointer<Float>, count: Int) { kernels.pointee.relu(x, count) }

    func rotateInterleaved(
        _ x: UnsafeMutablePointer<Float>, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>, pairs: Int
    ) {
        kernels.pointee.rope_interleaved(x, cosines, sines, pairs)
    }

    func rotateHalves(
        _ x: UnsafeMutablePointer<Float>, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>, pairs: Int
    ) {
        kernels.pointee.rope_half(x, cosines, sines, pairs)
    }

    func swiGLU(
        gate: UnsafePointer<Float>, up: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int
    ) {
        kernels.pointee.swiglu(gate, up, out, count)
    }

    func add(_ y: UnsafePointer<Float>, to x: UnsafeMutablePointer<Float>, count: Int) {
        kernels.pointee.add(x, y, count)
    }

    func scale(_ x: UnsafeMutablePointer<Float>, by factor: Float, count: Int) {
        kernels.pointee.scale(x, factor, count)
    }

    func max(_ x: UnsafePointer<Float>, count: Int) -> Float {
        kernels.pointee.max(x, count)
    }

    func argmax(_ x: UnsafePointer<Float>, count: Int) -> Int {
        kernels.pointee.argmax(x, count)
    }

    func exponentiate(_ x: UnsafeMutablePointer<Float>, count: Int, minus maximum: Float) -> Float {
        kernels.pointee.exp_sum(x, count, maximum)
    }

    func softmax(_ x: UnsafeMutablePointer<Float>, count: Int) {
        let sum = exponentiate(x, count: count, minus: max(x, count: count))
        if sum > 0 { scale(x, by: 1 / sum, count: count) }
    }
}

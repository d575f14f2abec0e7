internal import CKvasir
public import KvasirNumerics

/// Norms, rotary embedding, activation and reductions on one float32 row at a time.
///
/// What is computed for a row depends on that row alone, so rows may be spread over threads in any way. Pointers need no
/// alignment; buffers do not overlap except where a method says so.
public struct RowOperations: @unchecked Sendable {
    /// The instruction set of the kernels.
    public let instructionSet: InstructionSet

    /// Points to a constant table, hence the unchecked conformance.
    private let kernels: UnsafePointer<kv_ops_kernels>

    /// Chooses the kernels of an instruction set.
    ///
    /// - Precondition: this machine executes `instructionSet`.
    public init(_ instructionSet: InstructionSet) {
        precondition(instructionSet.isSupported, "this machine does not execute \(instructionSet)")
        self.instructionSet = instructionSet
        kernels = kv_ops_kernels_for(kv_isa(rawValue: instructionSet.code))
    }

    /// Root-mean-square normalization: `out[i] = x[i] * weight[i] / sqrt(mean(x²) + epsilon)`; `out` may be `x`.
    public func rmsNorm(
        _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int,
        epsilon: Float
    ) {
        kernels.pointee.rms_norm(x, weight, out, count, epsilon)
    }

    /// Rotates the pairs `(x[2i], x[2i + 1])` in place, as GGUF stores the Llama family.
    public func rotateInterleaved(
        _ x: UnsafeMutablePointer<Float>, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>, pairs: Int
    ) {
        kernels.pointee.rope_interleaved(x, cosines, sines, pairs)
    }

    /// Rotates the pairs `(x[i], x[i + pairs])` in place, as GPT-NeoX and Qwen do.
    public func rotateHalves(
        _ x: UnsafeMutablePointer<Float>, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>, pairs: Int
    ) {
        kernels.pointee.rope_half(x, cosines, sines, pairs)
    }

    /// `out[i] = silu(gate[i]) * up[i]`; `out` may be `gate` or `up`.
    public func swiGLU(
        gate: UnsafePointer<Float>, up: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int
    ) {
        kernels.pointee.swiglu(gate, up, out, count)
    }

    /// `x[i] += y[i]`.
    public func add(_ y: UnsafePointer<Float>, to x: UnsafeMutablePointer<Float>, count: Int) {
        kernels.pointee.add(x, y, count)
    }

    /// `x[i] *= factor`.
    public func scale(_ x: UnsafeMutablePointer<Float>, by factor: Float, count: Int) {
        kernels.pointee.scale(x, factor, count)
    }

    /// The largest element, NaN passed over; -infinity if nothing is left.
    public func max(_ x: UnsafePointer<Float>, count: Int) -> Float {
        kernels.pointee.max(x, count)
    }

    /// The first index of the largest element, NaN passed over; 0 if nothing is left.
    public func argmax(_ x: UnsafePointer<Float>, count: Int) -> Int {
        kernels.pointee.argmax(x, count)
    }

    /// Replaces `x[i]` by `exp(x[i] - maximum)` and returns the sum.
    public func exponentiate(_ x: UnsafeMutablePointer<Float>, count: Int, minus maximum: Float) -> Float {
        kernels.pointee.exp_sum(x, count, maximum)
    }

    /// Replaces `x` by its softmax; a row of -infinity alone becomes zeros.
    public func softmax(_ x: UnsafeMutablePointer<Float>, count: Int) {
        let sum = exponentiate(x, count: count, minus: max(x, count: count))
        if sum > 0 { scale(x, by: 1 / sum, count: count) }
    }
}

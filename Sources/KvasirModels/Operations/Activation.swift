internal import CKvasir
internal import KvasirWeights

/// What the gate of a gated MLP goes through.
///
/// Source: Shazeer, "GLU variants" (arXiv:2002.05202).
enum GatedActivation: Sendable {
    /// x * sigmoid(x).
    case silu
    /// GELU with its approximation by tanh. Source: Hendrycks and Gimpel (arXiv:1606.08415), section 2.
    case geluTanh

    typealias Kernel =
        @convention(c) (UnsafePointer<Float>?, UnsafePointer<Float>?, UnsafeMutablePointer<Float>?, Int) -> Void

    func kernel(_ kernels: UnsafePointer<kv_ops_kernels>) -> Kernel {
        let kernel = self == .silu ? kernels.pointee.swiglu : kernels.pointee.geglu_tanh
        guard let kernel else { preconditionFailure("every table of kernels is complete") }
        return kernel
    }
}

/// What the hidden layer of a plain MLP goes through.
enum PlainActivation: Sendable {
    /// max(x, 0).
    case relu
    /// GELU with its approximation by tanh.
    case geluTanh

    typealias Kernel = @convention(c) (UnsafeMutablePointer<Float>?, Int) -> Void

    func kernel(_ kernels: UnsafePointer<kv_ops_kernels>) -> Kernel {
        let kernel = self == .relu ? kernels.pointee.relu : kernels.pointee.gelu_tanh
        guard let kernel else { preconditionFailure("every table of kernels is complete") }
        return kernel
    }
}

extension Checkpoint {
    /// The activation of a model's MLP, where its file names one.
    ///
    /// - Parameter known: the activations of the family by the names a config.json has for them.
    /// - Throws: `ModelError` for any other name.
    func activation<Activation>(_ known: KeyValuePairs<String, Activation>, default fallback: Activation) throws
        -> Activation
    {
        let key = spelling(of: .activation)
        guard let name = try metadata.string(ifPresent: key) else { return fallback }
        guard let match = known.first(where: { $0.key == name }) else {
            throw ModelError(
                .unsupportedFeature, received: "\(key) = \(name)",
                remedy: "the \(architecture) family is supported with \(known.map(\.key).joined(separator: ", "))")
        }
        return match.value
    }
}

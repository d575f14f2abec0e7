/// A norm with its weights.
struct Norm: Sendable {
    /// Multiplies every channel.
    let weight: [Float]
    /// Is added to every channel of a layer norm; nil for an RMS norm.
    let bias: [Float]?
    /// Is added to the mean square, or to the variance.
    let epsilon: Float

    /// An RMS norm: `x * weight / sqrt(mean(x^2) + epsilon)`.
    ///
    /// Source: Zhang and Sennrich (arXiv:1910.07467).
    init(_ weight: [Float], epsilon: Float) {
        self.weight = weight
        bias = nil
        self.epsilon = epsilon
    }

    /// A layer norm: `(x - mean) * weight / sqrt(variance + epsilon) + bias`.
    ///
    /// Source: Ba et al. (arXiv:1607.06450).
    init(_ weight: [Float], bias: [Float], epsilon: Float) {
        self.weight = weight
        self.bias = bias
        self.epsilon = epsilon
    }

    /// The norm whose outputs are this one's over `factors`, channel by channel.
    func divided(by factors: [Float]) -> Norm {
        let weight = zip(weight, factors).map { $0 / $1 }
        guard let bias else { return Norm(weight, epsilon: epsilon) }
        return Norm(weight, bias: zip(bias, factors).map { $0 / $1 }, epsilon: epsilon)
    }
}

internal import Foundation

/// A next-token distribution, as logits and what normalizes them.
struct TokenDistribution {
    /// The most probable token; the first of several.
    let top: Int

    private let logits: ArraySlice<Float>
    /// Logarithm of the sum of the exponentials.
    private let normalizer: Double

    init(logits: ArraySlice<Float>) {
        self.logits = logits
        var top = logits.startIndex
        for index in logits.indices where logits[index] > logits[top] { top = index }
        let largest = Double(logits[top])
        var sum = 0.0
        for logit in logits { sum += exp(Double(logit) - largest) }
        self.top = top - logits.startIndex
        normalizer = largest + log(sum)
    }

    /// Negative log-likelihood of a token, in nats.
    func loss(of token: Int) -> Double { normalizer - Double(logits[logits.startIndex + token]) }

    /// Kullback-Leibler divergence of `other` from this one, in nats; never negative.
    func divergence(to other: TokenDistribution) -> Double {
        var sum = 0.0
        for (own, others) in zip(logits, other.logits) {
            let logarithm = Double(own) - normalizer
            // Below this a token adds less than the rounding of the sum.
            guard logarithm > -50 else { continue }
            sum += exp(logarithm) * (logarithm - Double(others) + other.normalizer)
        }
        return max(sum, 0)
    }
}

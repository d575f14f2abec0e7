/// Divides the logits by a temperature: below 1 sharpens the distribution, above 1 flattens it.
///
/// Range: 0 or more, finite; typically 0.2 ... 1.5. 0 means greedy: the largest logit wins, the lowest id among equals.
///
/// 1. m = the largest logit.
/// 2. weight(i) = exp((logit(i) - m) / temperature), so that the best token has weight 1 and nothing overflows.
///
/// Ackley, Hinton and Sejnowski, "A Learning Algorithm for Boltzmann Machines" (Cognitive Science 9, 1985).
struct Temperature: Sendable, Hashable {
    let value: Float

    static let greedy = Temperature(unchecked: 0)
    static let neutral = Temperature(unchecked: 1)

    init(_ value: Float) throws(SamplingError) {
        guard value >= 0, value.isFinite else {
            throw .outOfRange("temperature", value, permitted: "a finite number, 0 (greedy) or more")
        }
        self.value = value
    }

    private init(unchecked value: Float) { self.value = value }

    var isGreedy: Bool { value == 0 }

    /// Writes the unnormalised probabilities; NaN and minus infinity get weight 0.
    ///
    /// - Parameters:
    ///   - logits: one per token.
    ///   - maximum: the largest of them.
    ///   - weights: as many; overwritten with numbers in `0 ... 1`, of which at least one is 1.
    func writeWeights(
        of logits: UnsafeBufferPointer<Float>, maximum: Float, to weights: UnsafeMutableBufferPointer<Float>
    ) {
        if maximum == .infinity {
            // The difference of two infinities is no number: those tokens are certain, and share the probability.
            for id in logits.indices { weights[id] = logits[id] == .infinity ? 1 : 0 }
        } else {
            ExponentialWeights.write(of: logits, minus: maximum, over: value, to: weights)
        }
    }
}

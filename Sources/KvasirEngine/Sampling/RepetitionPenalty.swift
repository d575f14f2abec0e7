/// Makes every token that already occurred less likely, by a factor.
///
/// Range: above 0, finite; typically 1.0 ... 1.3. 1 switches it off, below 1 encourages repetition.
///
/// For every distinct token of the window, prompt and generated text alike:
/// 1. a positive logit is divided by the penalty,
/// 2. any other logit is multiplied by it.
///
/// Keskar et al., "CTRL: A Conditional Transformer Language Model for Controllable Generation" (2019), section 4.1; the
/// paper divides always, which would favour tokens with a negative logit, so every engine uses the form above.
struct RepetitionPenalty: Sendable, Hashable {
    let value: Float

    static let off = RepetitionPenalty(unchecked: 1)

    init(_ value: Float) throws(SamplingError) {
        guard value > 0, value.isFinite else {
            throw .outOfRange("repetition_penalty", value, permitted: "a finite number above 0 (1 is off)")
        }
        self.value = value
    }

    private init(unchecked value: Float) { self.value = value }

    var isOff: Bool { value == 1 }

    func apply(
        to logits: UnsafeMutableBufferPointer<Float>, window: UnsafeBufferPointer<Int32>, tally: inout TokenTally
    ) {
        guard !isOff else { return }
        tally.forEachDistinct(in: window) { id, _ in
            let logit = logits[id]
            logits[id] = logit > 0 ? logit / value : logit * value
        }
    }
}

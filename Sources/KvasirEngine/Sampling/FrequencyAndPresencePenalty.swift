/// Lowers the logits of tokens the model has generated, by how often and by whether they occurred.
///
/// Range: -2 ... 2 each; typically 0.1 ... 1. 0 switches a penalty off, below 0 encourages repetition.
///
/// For every distinct token generated within the window, c times:
/// 1. logit -= c * frequency + presence.
///
/// The prompt does not count. The formula is the one of the OpenAI API reference ("Frequency and presence penalties").
struct FrequencyAndPresencePenalty: Sendable, Hashable {
    let frequency: Float
    let presence: Float

    static let off = FrequencyAndPresencePenalty(uncheckedFrequency: 0, presence: 0)

    init(frequency: Float, presence: Float) throws(SamplingError) {
        let permitted = "a number in -2 ... 2 (0 is off)"
        guard (-2...2).contains(frequency) else {
            throw .outOfRange("frequency_penalty", frequency, permitted: permitted)
        }
        guard (-2...2).contains(presence) else {
            throw .outOfRange("presence_penalty", presence, permitted: permitted)
        }
        self.init(uncheckedFrequency: frequency, presence: presence)
    }

    private init(uncheckedFrequency frequency: Float, presence: Float) {
        self.frequency = frequency
        self.presence = presence
    }

    var isOff: Bool { frequency == 0 && presence == 0 }

    func apply(
        to logits: UnsafeMutableBufferPointer<Float>, generated: UnsafeBufferPointer<Int32>, tally: inout TokenTally
    ) {
        guard !isOff else { return }
        tally.forEachDistinct(in: generated) { id, count in
            logits[id] -= Float(count) * frequency + presence
        }
    }
}

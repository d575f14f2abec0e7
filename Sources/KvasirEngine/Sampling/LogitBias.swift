/// Adds a fixed number to the logits of chosen tokens.
///
/// Range: -100 ... 100 per token, as in the OpenAI API; -1 ... 1 nudges, -100 bans and 100 forces in practice.
///
/// 1. logit(id) += bias(id), before every other step.
struct LogitBias: Sendable, Hashable {
    let values: [Int32: Float]

    static let off = LogitBias(unchecked: [:])

    init(_ values: [Int32: Float]) throws(SamplingError) {
        // In order of id, so that the same mistake gives the same message.
        for (id, bias) in values.sorted(by: { $0.key < $1.key }) {
            guard id >= 0 else { throw .outOfRange("logit_bias", "token id \(id)", permitted: "ids of 0 or more") }
            guard (-100...100).contains(bias) else {
                throw .outOfRange("logit_bias", "\(bias) for token \(id)", permitted: "a number in -100 ... 100")
            }
        }
        self.values = values
    }

    private init(unchecked values: [Int32: Float]) { self.values = values }

    var isOff: Bool { values.isEmpty }

    /// Checks that every id names a token.
    func validate(vocabularySize: Int) throws(SamplingError) {
        guard let largest = values.keys.max(), Int(largest) >= vocabularySize else { return }
        throw .outOfRange("logit_bias", "token id \(largest)", permitted: "ids in 0 ..< \(vocabularySize)")
    }

    /// - Precondition: the ids have been validated against the number of logits.
    func apply(to logits: UnsafeMutableBufferPointer<Float>) {
        for (id, bias) in values { logits[Int(id)] += bias }
    }
}

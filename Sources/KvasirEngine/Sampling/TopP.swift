/// Keeps the smallest set of most likely tokens whose probabilities add up to at least p (nucleus sampling).
///
/// Range: 0 ... 1; typically 0.9 ... 0.95. 1 switches it off, 0 keeps one token.
///
/// 1. Renormalise what the steps before left.
/// 2. Walk from the most likely token down (among equal logits from the lowest id up) until the sum reaches p.
/// 3. Every token after that gets weight 0. At least one token stays.
///
/// Holtzman et al., "The Curious Case of Neural Text Degeneration" (ICLR 2020).
struct TopP: Sendable, Hashable {
    let probability: Float

    static let off = TopP(unchecked: 1)

    init(_ probability: Float) throws(SamplingError) {
        guard (0...1).contains(probability) else {
            throw .outOfRange("top_p", probability, permitted: "a number in 0 ... 1 (1 is off)")
        }
        self.probability = probability
    }

    private init(unchecked probability: Float) { self.probability = probability }

    var isOff: Bool { probability == 1 }

    func apply(
        to weights: UnsafeMutableBufferPointer<Float>, logits: UnsafeBufferPointer<Float>, maximum: Float,
        temperature: Float, ranking: inout LogitRanking
    ) {
        guard !isOff else { return }
        let constant = UnsafeBufferPointer(weights)
        let target = WeightSums.total(constant) * Double(probability)
        // Four units of temperature below the best token are a factor of e^4 in probability.
        let floor = LogitRanking.floor(logits, maximum: maximum, step: 4 * temperature, target: target) {
            Double(constant[$0])
        }
        let last = ranking.last(in: logits, from: floor, target: target) { Double(constant[$0]) }
        last?.dropLower(weights: weights, logits: logits)
    }
}

/// Keeps the tokens at least p times as likely as the most likely one.
///
/// Range: 0 ... 1; typically 0.05 ... 0.1. 0 switches it off, 1 keeps the best token and its equals.
///
/// 1. The best token has weight 1, so the threshold is p itself.
/// 2. Every token with a smaller weight gets weight 0.
///
/// Nguyen et al., "Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs" (ICLR 2025).
struct MinP: Sendable, Hashable {
    let ratio: Float

    static let off = MinP(unchecked: 0)

    init(_ ratio: Float) throws(SamplingError) {
        guard (0...1).contains(ratio) else {
            throw .outOfRange("min_p", ratio, permitted: "a number in 0 ... 1 (0 is off)")
        }
        self.ratio = ratio
    }

    private init(unchecked ratio: Float) { self.ratio = ratio }

    var isOff: Bool { ratio == 0 }

    func apply(to weights: UnsafeMutableBufferPointer<Float>) {
        guard !isOff else { return }
        // A select and not a branch, so that the compiler makes vectors of it.
        for id in weights.indices { weights[id] = weights[id] < ratio ? 0 : weights[id] }
    }
}

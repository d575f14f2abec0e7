/// Keeps the k most likely tokens.
///
/// Range: 0 (off) or more; typically 20 ... 100.
///
/// 1. Find the k-th largest logit; among equal logits the lower id is the larger.
/// 2. Every token below it gets weight 0.
///
/// Fan, Lewis and Dauphin, "Hierarchical Neural Story Generation" (ACL 2018).
struct TopK: Sendable, Hashable {
    let count: Int

    static let off = TopK(unchecked: 0)

    init(_ count: Int) throws(SamplingError) {
        guard count >= 0 else {
            throw .outOfRange("top_k", count, permitted: "a number of tokens, or 0 (off)")
        }
        self.count = count
    }

    private init(unchecked count: Int) { self.count = count }

    var isOff: Bool { count == 0 }

    func apply(
        to weights: UnsafeMutableBufferPointer<Float>, logits: UnsafeBufferPointer<Float>, maximum: Float,
        ranking: inout LogitRanking
    ) {
        guard !isOff, count < weights.count else { return }
        let target = Double(count)
        let floor = LogitRanking.floor(logits, maximum: maximum, step: 4, target: target) { _ in 1 }
        if let last = ranking.last(in: logits, from: floor, target: target, measure: { _ in 1 }) {
            last.dropLower(weights: weights, logits: logits)
        }
    }
}

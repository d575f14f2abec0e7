#if canImport(Darwin)
internal import Darwin
#elseif canImport(Musl)
internal import Musl
#else
internal import Glibc
#endif

/// The natural logarithms of the model's probabilities for the chosen token and the most likely ones.
///
/// From the logits as the model gave them, before bias, penalties and temperature, as the OpenAI API and vLLM report
/// them.
public struct LogProbabilities: Sendable, Hashable {
    /// A token and the logarithm of its probability.
    public struct Entry: Sendable, Hashable {
        /// The token's id.
        public let token: Int32
        /// In nats; minus infinity for an impossible token.
        public let logProbability: Float
    }

    /// The token that was chosen.
    public let chosen: Entry
    /// The most likely tokens, best first, the lower id first among equals.
    public let top: [Entry]

    /// Computes the log-softmax of `logits`, of which NaN counts as minus infinity.
    ///
    /// - Parameters:
    ///   - logits: The model's output, (vocabulary).
    ///   - chosen: An id within the vocabulary.
    ///   - topCount: How many of the most likely tokens to list; at most the vocabulary.
    /// - Throws: `SamplingError` if every logit is NaN or minus infinity, or for a `topCount` below 0.
    /// - Complexity: O(n + k log k).
    public init(logits: Span<Float>, chosen: Int32, topCount: Int) throws(SamplingError) {
        guard topCount >= 0 else {
            throw .outOfRange("top_logprobs", topCount, permitted: "a number of tokens, 0 or more")
        }
        precondition((0..<logits.count).contains(Int(chosen)), "the chosen token is one of the vocabulary")
        self = try logits.withUnsafeBufferPointer { (logits) throws(SamplingError) in
            try LogProbabilities(logits, chosen: Int(chosen), topCount: topCount)
        }
    }

    private init(_ logits: UnsafeBufferPointer<Float>, chosen: Int, topCount: Int) throws(SamplingError) {
        guard let best = GreedyChoice(logits) else { throw .noCandidate(in: logits) }
        let weights = [Float](unsafeUninitializedCapacity: logits.count) { buffer, count in
            let all = UnsafeMutableBufferPointer(rebasing: buffer[..<logits.count])
            all.initialize(repeating: 0)
            Temperature.neutral.writeWeights(of: logits, maximum: best.logit, to: all)
            count = logits.count
        }
        let logTotal = log(weights.withUnsafeBufferPointer { WeightSums.total($0) })
        func entry(_ id: Int) -> Entry {
            let logit = logits[id]
            // Against an infinite maximum, infinity is the certain token and all else impossible.
            let distance = logit == best.logit ? 0 : Double(logit) - Double(best.logit)
            let value = distance.isNaN ? -.infinity : Float(distance - logTotal)
            return Entry(token: Int32(id), logProbability: value)
        }
        self.chosen = entry(chosen)
        top = Self.best(topCount, of: logits, maximum: best.logit).map(entry)
    }

    /// The ids of the `count` largest logits, best first; NaN is none of them.
    private static func best(_ count: Int, of logits: UnsafeBufferPointer<Float>, maximum: Float) -> [Int] {
        guard count > 0 else { return [] }
        var ids = logits.indices.filter { !logits[$0].isNaN }
        if count < ids.count {
            var ranking = LogitRanking()
            let target = Double(count)
            let floor = LogitRanking.floor(logits, maximum: maximum, step: 4, target: target) { _ in 1 }
            if let last = ranking.last(in: logits, from: floor, target: target, measure: { _ in 1 }) {
                ids.removeAll { logits[$0] < last.logit || (logits[$0] == last.logit && $0 > last.id) }
            }
        }
        return ids.sorted { logits[$0] > logits[$1] || (logits[$0] == logits[$1] && $0 < $1) }
    }
}

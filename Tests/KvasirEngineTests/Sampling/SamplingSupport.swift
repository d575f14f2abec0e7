import KvasirEngine
import KvasirNumerics

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

extension Sampler {
    /// One token from arrays.
    mutating func next(_ logits: [Float], history: [Int32] = [], promptCount: Int = 0) throws -> Int32 {
        try next(logits: logits.span, history: history.span, promptCount: promptCount)
    }

    /// The distribution from arrays.
    func probabilities(_ logits: [Float], history: [Int32] = [], promptCount: Int = 0) throws -> [Float] {
        try probabilities(logits: logits.span, history: history.span, promptCount: promptCount)
    }
}

extension SamplingParameters {
    /// The distribution over `logits` under these parameters.
    func probabilities(_ logits: [Float], history: [Int32] = [], promptCount: Int = 0) throws -> [Float] {
        try Sampler(self, vocabularySize: logits.count)
            .probabilities(logits, history: history, promptCount: promptCount)
    }

    /// The ids of positive probability.
    func kept(_ logits: [Float]) throws -> [Int] {
        let probabilities = try probabilities(logits)
        return probabilities.indices.filter { probabilities[$0] > 0 }
    }
}

/// Independent numbers with a bell-shaped distribution, like the logits of a language model.
func randomLogits(_ count: Int, scale: Float = 3, using random: inout SeededGenerator) -> [Float] {
    (0..<count).map { _ in
        // The sum of twelve uniform numbers has variance 1.
        let sum = (0..<12).reduce(0.0) { total, _ in total + random.nextUnit() }
        return Float(sum - 6) * scale
    }
}

/// The slow twin of the sampler's chain after the penalties: sorts everything, in double precision, with libm's `exp`.
func sortedReference(_ logits: [Float], _ parameters: SamplingParameters) -> [Double] {
    var ranked = logits.indices.filter { !logits[$0].isNaN && logits[$0] > -.infinity }
    ranked.sort { logits[$0] > logits[$1] || (logits[$0] == logits[$1] && $0 < $1) }
    guard let best = ranked.first else { return logits.map { _ in 0 } }
    let weights = logits.map { exp(Double(($0 - logits[best]) / parameters.temperature)) }
    if parameters.topK > 0 { ranked = Array(ranked.prefix(parameters.topK)) }
    if parameters.topP < 1 {
        let target = ranked.reduce(0) { $0 + weights[$1] } * Double(parameters.topP)
        var sum = 0.0
        var count = 0
        while count == 0 || (sum < target && count < ranked.count) {
            sum += weights[ranked[count]]
            count += 1
        }
        ranked = Array(ranked.prefix(count))
    }
    ranked.removeAll { weights[$0] < Double(parameters.minP) }
    let total = ranked.reduce(0) { $0 + weights[$1] }
    var result = logits.map { _ in 0.0 }
    for id in ranked { result[id] = weights[id] / total }
    return result
}

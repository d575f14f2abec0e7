import KvasirEngine
import KvasirNumerics
import Testing

@Suite struct LogProbabilitiesTests {
    private func compute(_ logits: [Float], chosen: Int32, topCount: Int) throws -> LogProbabilities {
        try LogProbabilities(logits: logits.span, chosen: chosen, topCount: topCount)
    }

    @Test func matchesHandWorkedNumbers() throws {
        // Probabilities 1/10, 2/10, 3/10, 4/10, from their logarithms.
        let logits: [Float] = [0, 0.6931472, 1.0986123, 1.3862944]
        let result = try compute(logits, chosen: 0, topCount: 2)
        #expect(abs(result.chosen.logProbability - -2.3025851) < 1e-6)
        #expect(result.top.map(\.token) == [3, 2])
        #expect(abs(result.top[0].logProbability - -0.9162907) < 1e-6)
        #expect(abs(result.top[1].logProbability - -1.2039728) < 1e-6)
    }

    @Test func theTopTokensAreThoseOfAFullSort() throws {
        var random = SeededGenerator(seed: 8)
        let smooth = randomLogits(700, using: &random)
        for logits in [smooth, smooth.map { $0.rounded() }, smooth.map { $0 * 50 }] {
            let sorted = logits.indices.sorted { logits[$0] > logits[$1] || (logits[$0] == logits[$1] && $0 < $1) }
            for count in [0, 1, 5, 20, 699, 700, 5000] {
                let result = try compute(logits, chosen: 5, topCount: count)
                #expect(result.top.map { Int($0.token) } == Array(sorted.prefix(count)))
            }
        }
    }

    @Test func impossibleTokensHaveMinusInfinity() throws {
        let result = try compute([.nan, 2, -.infinity], chosen: 0, topCount: 3)
        #expect(result.chosen.logProbability == -.infinity)
        #expect(result.top.map(\.token) == [1, 2])
        #expect(result.top.map(\.logProbability) == [0, -.infinity])
        let infinite = try compute([.infinity, 2, .infinity], chosen: 1, topCount: 1)
        #expect(infinite.chosen.logProbability == -.infinity)
        #expect(abs(infinite.top[0].logProbability - -0.6931472) < 1e-6)
    }

    @Test func refusesWhatHasNoAnswer() {
        let broken = #expect(throws: SamplingError.self) { try compute([.nan, .nan], chosen: 0, topCount: 1) }
        #expect(broken?.reason == .noCandidate)
        let negative = #expect(throws: SamplingError.self) { try compute([1, 2], chosen: 0, topCount: -1) }
        #expect(negative?.description == "top_logprobs: received -1; give a number of tokens, 0 or more")
    }
}

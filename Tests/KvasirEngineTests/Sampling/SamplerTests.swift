import KvasirEngine
import KvasirNumerics
import Testing

@Suite struct SamplerTests {
    @Test func greedyTakesTheLowestIdAmongEquals() throws {
        var sampler = try Sampler(.greedy, vocabularySize: 20)
        for first in 0..<20 {
            var logits = [Float](repeating: -3, count: 20)
            logits[first] = 4
            for later in (first + 1)..<20 where later % 3 == 0 { logits[later] = 4 }
            #expect(try sampler.next(logits) == Int32(first))
        }
        #expect(try sampler.next((0..<20).map { $0 % 2 == 0 ? -0.0 : 0.0 }) == 0)
    }

    @Test(arguments: [0, 1] as [Float])
    func notANumberIsNeverChosen(temperature: Float) throws {
        var sampler = try Sampler(SamplingParameters(temperature: temperature, seed: 3), vocabularySize: 19)
        for survivor in 0..<19 {
            var logits = [Float](repeating: .nan, count: 19)
            logits[(survivor + 7) % 19] = -.infinity
            logits[survivor] = -50
            #expect(try sampler.next(logits) == Int32(survivor))
        }
    }

    @Test(arguments: [0, 0.8] as [Float])
    func logitsWithoutACandidateAreAnError(temperature: Float) throws {
        var sampler = try Sampler(SamplingParameters(temperature: temperature), vocabularySize: 10)
        let error = #expect(throws: SamplingError.self) {
            try sampler.next([.nan, .nan, .nan] + [Float](repeating: -.infinity, count: 7))
        }
        #expect(error?.reason == .noCandidate)
        #expect(
            error?.description
                == "logits: received 10 values: 3 NaN, 7 minus infinity; the model computed no usable output; "
                + "check the weights file and the cache configuration")
        // The sampler stays usable.
        #expect(throws: Never.self) { try sampler.next([Float](repeating: 0, count: 10)) }
    }

    @Test func infiniteLogitsShareTheProbability() throws {
        let logits: [Float] = [1, .infinity, .nan, .infinity, -.infinity]
        for parameters in [SamplingParameters.neutral, try SamplingParameters(topK: 3, topP: 0.9, minP: 0.1)] {
            #expect(try parameters.probabilities(logits) == [0, 0.5, 0, 0.5, 0])
        }
        #expect(try SamplingParameters(topP: 0.4).probabilities(logits) == [0, 1, 0, 0, 0])
    }

    @Test func theSameSeedGivesTheSameTokens() throws {
        var random = SeededGenerator(seed: 21)
        let rows = (0..<40).map { _ in randomLogits(300, scale: 1, using: &random) }
        func tokens(_ seed: UInt64?) throws -> (tokens: [Int32], seed: UInt64) {
            let parameters = try SamplingParameters(topP: 0.98, repetitionPenalty: 1.1, seed: seed)
            var sampler = try Sampler(parameters, vocabularySize: 300)
            var history: [Int32] = [1, 2, 3]
            for row in rows { history.append(try sampler.next(row, history: history, promptCount: 3)) }
            return (history, sampler.seed)
        }
        let first = try tokens(42)
        #expect(try tokens(42).tokens == first.tokens)
        #expect(try tokens(43).tokens != first.tokens)
        // A seed the sampler chose itself reproduces its tokens.
        let unseeded = try tokens(nil)
        #expect(try tokens(unseeded.seed).tokens == unseeded.tokens)
    }

    /// Pins the whole path from seed to token; it must not change between versions or machines.
    @Test func aSeedKeepsItsMeaning() throws {
        let logits = (0..<100).map { Float(($0 * 37) % 100) / 25 }
        var sampler = try Sampler(SamplingParameters(temperature: 0.9, topP: 0.9, seed: 1234), vocabularySize: 100)
        let tokens = try (0..<8).map { _ in try sampler.next(logits) }
        #expect(tokens == [7, 83, 67, 86, 10, 89, 43, 23])
    }

    @Test func aCopyContinuesTheSameDraws() throws {
        let logits = (0..<64).map { Float($0 % 7) }
        var sampler = try Sampler(SamplingParameters(seed: 9), vocabularySize: 64)
        for _ in 0..<5 { _ = try sampler.next(logits) }
        var copy = sampler
        for _ in 0..<20 { #expect(try copy.next(logits) == sampler.next(logits)) }
    }

    @Test func theLogitsAreLeftAlone() throws {
        let logits: [Float] = [3, -1, 2, 0]
        var sampler = try Sampler(
            SamplingParameters(repetitionPenalty: 2, presencePenalty: 1, logitBias: [1: 5], seed: 1), vocabularySize: 4)
        let before = logits
        _ = try sampler.next(logits, history: [0, 1, 2], promptCount: 1)
        #expect(logits == before)
    }

    static let distributions: [(temperature: Float, topK: Int, topP: Float, minP: Float)] = [
        (1, 0, 1, 0), (0.6, 0, 1, 0), (2, 0, 1, 0), (1, 6, 1, 0), (1, 0, 0.8, 0), (1.2, 10, 0.9, 0.1),
    ]

    @Test(arguments: distributions.indices)
    func drawsFollowTheDistribution(index: Int) throws {
        let chain = Self.distributions[index]
        let parameters = try SamplingParameters(
            temperature: chain.temperature, topK: chain.topK, topP: chain.topP, minP: chain.minP, seed: 77)
        // Longer than one block of the summation, with the likely tokens on both sides of its border.
        var logits = [Float](repeating: -30, count: 600)
        for (position, id) in [0, 3, 100, 257, 400, 509, 510, 511, 512, 513, 514, 598, 599].enumerated() {
            logits[id] = 2 - 0.25 * Float(position)
        }
        let expected = sortedReference(logits, parameters)
        var sampler = try Sampler(parameters, vocabularySize: 600)
        var counts = [Int](repeating: 0, count: 600)
        let draws = 3000
        for _ in 0..<draws { counts[Int(try sampler.next(logits))] += 1 }
        var chiSquare = 0.0
        var cells = 0
        for id in logits.indices {
            let mean = expected[id] * Double(draws)
            guard mean > 5 else {
                #expect(counts[id] == 0, "token \(id) is all but impossible")
                continue
            }
            chiSquare += (Double(counts[id]) - mean) * (Double(counts[id]) - mean) / mean
            cells += 1
        }
        // 99.9 % quantiles of chi-square for 1 ... 12 degrees of freedom.
        let quantiles = [10.83, 13.82, 16.27, 18.47, 20.52, 22.46, 24.32, 26.12, 27.88, 29.59, 31.26, 32.91]
        #expect(cells >= 2)
        #expect(chiSquare < quantiles[cells - 2])
    }
}

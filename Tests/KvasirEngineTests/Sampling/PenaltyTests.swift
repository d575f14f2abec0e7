import KvasirEngine
import Testing

/// Penalties and bias against numbers worked out by hand.
@Suite struct PenaltyTests {
    /// The logits after the penalties, up to a constant: differences of log-probabilities to the last token.
    private func adjusted(
        _ parameters: SamplingParameters, _ logits: [Float], history: [Int32], promptCount: Int
    ) throws -> [Float] {
        var changed: [Float] = []
        // A token is ahead of the last one exactly if its adjusted logit is larger; bisect with a bias on the last.
        let last = Int32(logits.count - 1)
        for id in logits.indices.dropLast() {
            var (low, high) = (Float(-20), Float(20))
            while high - low > 1e-4 {
                let middle = (low + high) / 2
                var pair = [Float](repeating: -.infinity, count: logits.count)
                pair[id] = logits[id]
                pair[Int(last)] = middle
                var sampler = try Sampler(parameters, vocabularySize: logits.count)
                if try sampler.next(pair, history: history, promptCount: promptCount) == last {
                    high = middle
                } else {
                    low = middle
                }
            }
            changed.append((low + high) / 2)
        }
        return changed
    }

    private func expectClose(_ got: [Float], _ expected: [Float]) {
        #expect(zip(got, expected).allSatisfy { abs($0 - $1) < 1e-3 } && got.count == expected.count, "\(got)")
    }

    @Test func repetitionDividesPositiveAndMultipliesNegative() throws {
        let parameters = try SamplingParameters(temperature: 0, repetitionPenalty: 2)
        // Tokens 0, 1 and 2 occurred, 0 twice: the factor applies once.
        let got = try adjusted(parameters, [3, -1, 0, 4, 0], history: [0, 0, 1, 2], promptCount: 1)
        expectClose(got, [1.5, -2, 0, 4])
    }

    @Test func frequencyCountsAndPresenceDoesNot() throws {
        let parameters = try SamplingParameters(temperature: 0, frequencyPenalty: 0.5, presencePenalty: 1.25)
        // Generated: 0 three times, 1 once; 2 is in the prompt only.
        let got = try adjusted(parameters, [3, -1, 2, 4, 0], history: [2, 2, 0, 0, 1, 0], promptCount: 2)
        expectClose(got, [3 - 1.5 - 1.25, -1 - 0.5 - 1.25, 2, 4])
    }

    @Test func theWindowLimitsAllPenalties() throws {
        // The last three tokens: 2 (prompt), 1, 0.
        let parameters = try SamplingParameters(
            temperature: 0, repetitionPenalty: 2, frequencyPenalty: 0.5, penaltyWindow: 3)
        let got = try adjusted(parameters, [3, -1, 2, 4, 0], history: [3, 2, 1, 0], promptCount: 2)
        expectClose(got, [1.5 - 0.5, -2 - 0.5, 1, 4])
    }

    @Test func aWindowOfZeroSeesNothing() throws {
        let parameters = try SamplingParameters(
            temperature: 0, repetitionPenalty: 2, presencePenalty: 1, penaltyWindow: 0)
        let got = try adjusted(parameters, [3, -1, 2, 0], history: [0, 1, 2], promptCount: 1)
        expectClose(got, [3, -1, 2])
    }

    @Test func biasComesBeforeTheRepetitionPenalty() throws {
        let parameters = try SamplingParameters(temperature: 0, repetitionPenalty: 2, logitBias: [0: 3, 1: -2])
        let got = try adjusted(parameters, [1, 1, 1, 0], history: [0, 1], promptCount: 2)
        expectClose(got, [2, -2, 1])
    }

    @Test func idsOutsideTheVocabularyArePassedOver() throws {
        var sampler = try Sampler(
            SamplingParameters(temperature: 0, repetitionPenalty: 5, presencePenalty: 2), vocabularySize: 3)
        #expect(try sampler.next([1, 1.5, 1], history: [-1, 3, 1, .max, .min], promptCount: 0) == 0)
    }

    @Test func countsDoNotLeakFromOneTokenToTheNext() throws {
        var sampler = try Sampler(SamplingParameters(temperature: 0, frequencyPenalty: 1), vocabularySize: 3)
        for _ in 0..<5 {
            // 2 - 1 is still ahead of 0.5; with counts left over from the token before it would not be.
            #expect(try sampler.next([2, 0.5, -9], history: [0], promptCount: 0) == 0)
        }
        #expect(try sampler.next([2, 0.5, -9], history: [0, 0], promptCount: 0) == 1)
    }

    @Test func aBiasOutsideTheVocabularyIsRefused() throws {
        let parameters = try SamplingParameters(logitBias: [2: 1, 10: 1])
        let error = #expect(throws: SamplingError.self) { try Sampler(parameters, vocabularySize: 10) }
        #expect(error?.description == "logit_bias: received token id 10; give ids in 0 ..< 10")
        #expect(throws: Never.self) { try Sampler(parameters, vocabularySize: 11) }
    }
}

import KvasirEngine
import Testing

/// Top-k, top-p and min-p at the edges of their ranges and among equals.
@Suite struct TruncationTests {
    private let steps: [Float] = [1, 4, 2, 5, 3, 0]

    @Test func topKKeepsTheLargest() throws {
        #expect(try SamplingParameters(topK: 1).kept(steps) == [3])
        #expect(try SamplingParameters(topK: 3).kept(steps) == [1, 3, 4])
    }

    @Test func topKBeyondTheVocabularyKeepsAll() throws {
        for k in [0, 6, 7, 1_000_000] { #expect(try SamplingParameters(topK: k).kept(steps).count == 6) }
    }

    @Test func topKPrefersLowIdsAmongEquals() throws {
        #expect(try SamplingParameters(topK: 2).kept([0, 7, 7, 7, 9]) == [1, 4])
        #expect(try SamplingParameters(topK: 3).kept([Float](repeating: 1, count: 40)) == [0, 1, 2])
        // Both zeros are the same number.
        #expect(try SamplingParameters(topK: 2).kept([-1, -0.0, 0.0, -0.0]) == [1, 2])
    }

    @Test func topKRanksByLogitAlsoWhereTheProbabilitiesAreEqual() throws {
        let logits: [Float] = [1, 1.0000001, 1.0000002, 1.0000004]
        #expect(try SamplingParameters(temperature: 1e6, topK: 1).kept(logits) == [3])
    }

    @Test func topPKeepsTheTokenThatReachesIt() throws {
        // Four equal tokens: a quarter each, exactly.
        let equal: [Float] = [2, 2, 2, 2]
        #expect(try SamplingParameters(topP: 0.25).kept(equal) == [0])
        #expect(try SamplingParameters(topP: 0.26).kept(equal) == [0, 1])
        #expect(try SamplingParameters(topP: 0.5).kept(equal) == [0, 1])
        #expect(try SamplingParameters(topP: 0.75).kept(equal) == [0, 1, 2])
        #expect(try SamplingParameters(topP: 0.76).kept(equal) == [0, 1, 2, 3])
    }

    @Test func topPOfAlmostNothingKeepsTheBestToken() throws {
        for p: Float in [0, 1e-30, .leastNonzeroMagnitude] {
            #expect(try SamplingParameters(topP: p).kept(steps) == [3])
        }
    }

    @Test func topPOfOneKeepsEvenTheUnlikely() throws {
        #expect(try SamplingParameters(topP: 1).kept([0, -80, 0]) == [0, 1, 2])
        #expect(try SamplingParameters(topP: Float(1).nextDown).kept([0, -80, 0]) == [0, 2])
    }

    @Test func topPCountsWhatTopKLeft() throws {
        // Of the two kept each has half.
        #expect(try SamplingParameters(topK: 2, topP: 0.5).kept([3, 3, 3, 3, 3]) == [0])
        #expect(try SamplingParameters(topK: 2, topP: 0.51).kept([3, 3, 3, 3, 3]) == [0, 1])
    }

    @Test func minPComparesWithTheBestToken() throws {
        // e^-1 = 0.3679, e^-2 = 0.1353.
        #expect(try SamplingParameters(minP: 0.36).kept(steps) == [1, 3])
        #expect(try SamplingParameters(minP: 0.37).kept(steps) == [3])
        #expect(try SamplingParameters(minP: 0.135).kept(steps) == [1, 3, 4])
        #expect(try SamplingParameters(minP: 1).kept([5, 5, 4.9]) == [0, 1])
    }

    @Test func theTemperatureComesFirst() throws {
        // At temperature 2 the second token has e^-0.5 = 0.607 of the best one's probability.
        #expect(try SamplingParameters(temperature: 2, minP: 0.6).kept([1, 0]) == [0, 1])
        #expect(try SamplingParameters(temperature: 1, minP: 0.6).kept([1, 0]) == [0])
    }

    @Test func extremeTemperaturesStayWithinNumbers() throws {
        #expect(try SamplingParameters(temperature: .leastNonzeroMagnitude).probabilities([1, 2, 2]) == [0, 0.5, 0.5])
        #expect(try SamplingParameters(temperature: .greatestFiniteMagnitude).probabilities([9, 1]) == [0.5, 0.5])
        let far: [Float] = [.greatestFiniteMagnitude, -.greatestFiniteMagnitude]
        #expect(try SamplingParameters(topK: 1, topP: 0.5).probabilities(far) == [1, 0])
    }
}

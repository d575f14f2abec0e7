import KvasirNumerics
import Testing

struct SampleMomentsTests {
    @Test func momentsOfAKnownSample() throws {
        // Mean 5; deviations -3, -1, -1, -1, 0, 0, 2, 4: their squares sum to 32, cubes to 42, fourth powers to 356.
        let moments = try #require(SampleMoments([2, 4, 4, 4, 5, 5, 7, 9]))
        #expect(moments.count == 8)
        #expect(moments.mean == 5)
        #expect(moments.variance == 4)
        #expect(moments.skewness == 42.0 / 8 / 8)
        #expect(moments.kurtosis == 356.0 / 8 / 16)
    }

    @Test func shiftAndScaleDoNotChangeTheShape() throws {
        let sample = (1...20).map { Double($0 * $0) }
        let moments = try #require(SampleMoments(sample))
        let other = try #require(SampleMoments(sample.map { 1e4 - 0.001 * $0 }))
        #expect(abs(other.skewness + moments.skewness) < 1e-6)
        #expect(abs(other.kurtosis - moments.kurtosis) < 1e-6)
    }

    @Test(arguments: [[0, 0, 0], [0.1, 0.1, 0.1], [-1e30, -1e30], [7]])
    func aConstantHasNoShape(sample: [Double]) {
        #expect(SampleMoments(sample) == nil)
    }
}

struct QuantilePlotTests {
    @Test func ranksCoverTheSampleEvenly() {
        let plot = QuantilePlot(sampleCount: 192, points: 40)
        #expect(plot.ranks.count == 40)
        #expect(plot.ranks.first == 0 && plot.ranks.last == 191)
        let steps = zip(plot.ranks.dropFirst(), plot.ranks).map { $0 - $1 }
        #expect(Set(steps).isSubset(of: [4, 5]))
        // The plotting positions of the NQKV reference: (i + 0.5) / n.
        #expect(plot.theoretical[0] == NormalDistribution.quantile(0.5 / 192))
        #expect(abs(plot.theoretical[39] + plot.theoretical[0]) < 1e-12)
    }

    @Test func shortSamplesArePlottedWhole() {
        #expect(QuantilePlot(sampleCount: 5, points: 40).ranks == [0, 1, 2, 3, 4])
        #expect(QuantilePlot(sampleCount: 3, points: 2).ranks == [0, 2])
    }

    @Test func normalQuantilesLieOnTheDiagonal() throws {
        let sample = (0..<256).map { 3 + 2 * NormalDistribution.quantile((Double($0) + 0.5) / 256) }
        let moments = try #require(SampleMoments(sample))
        let plot = QuantilePlot(sampleCount: 256, points: 40)
        // Quantiles of a finite sample spread a little less than the distribution itself.
        let ratios = zip(plot.values(sorted: sample, moments: moments), plot.theoretical).map { $0 / $1 }
        #expect(ratios.allSatisfy { $0 > 1 && $0 < 1.01 })
    }
}

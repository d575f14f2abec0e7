import Foundation
import KvasirNumerics
import Testing

@Suite struct NormalDistributionTests {
    @Test(arguments: [
        (0.9677083333, 1.8481314207), (0.9330357143, 1.4987882591), (0.8541666667, 1.0544724518),
        (0.75, 0.6744897502), (0.6, 0.2533471031), (0.5, 0.0),
    ])
    func quantilesAreTheTabulatedOnes(probability: Double, quantile: Double) {
        // The probabilities are given to ten digits.
        #expect(abs(NormalDistribution.quantile(probability) - quantile) < 1e-9)
        #expect(abs(NormalDistribution.quantile(1 - probability) + quantile) < 1e-9)
    }
}

/// The test vectors of the NQKV reference.
@Suite struct NormalityTestTests {
    private static let normal = (0..<256).map { NormalDistribution.quantile((Double($0) + 0.5) / 256) }

    /// Relative to the published digits.
    private func expect(_ actual: Double, _ expected: Double, _ tolerance: Double) {
        #expect(abs(actual - expected) <= tolerance * max(abs(expected), 1e-30), "\(actual) is not \(expected)")
    }

    @Test func normalQuantilesPass() {
        let test = NormalityTest(Self.normal)
        #expect(abs(test.skewness) < 1e-9)
        expect(test.kurtosis, -0.072848, 1e-5)
        expect(test.statistic, 0.005307, 1e-4)
        expect(test.probability, 0.99735, 1e-5)
    }

    @Test func aRampFails() {
        let test = NormalityTest((0..<256).map(Double.init))
        #expect(abs(test.skewness) < 1e-9)
        expect(test.kurtosis, -11.419366, 1e-7)
        expect(test.statistic, 130.4019, 1e-6)
        expect(test.probability, 4.826e-29, 1e-3)
    }

    @Test func cubesFail() {
        let test = NormalityTest(Self.normal.map { $0 * $0 * $0 })
        expect(test.kurtosis, 8.759919, 1e-6)
        expect(test.probability, 2.17e-17, 5e-3)
    }

    /// The serum cholesterol of 62 patients, the example of D'Agostino, Belanger and D'Agostino (1990): their scores belong
    /// to moments that are printed to two decimals, so the scores of the smallest and largest such moments enclose them.
    @Test func thePublishedExample() {
        func test(_ skewness: Double, _ kurtosis: Double) -> NormalityTest {
            NormalityTest(SampleMoments(count: 62, mean: 250, variance: 1714, skewness: skewness, kurtosis: kurtosis))
        }
        let (low, high) = (test(1.015, 4.575), test(1.025, 4.585))
        #expect(low.skewness < 3.14 && high.skewness > 3.14)
        #expect(low.kurtosis < 2.215 && high.kurtosis > 2.205)
        #expect(low.statistic < 14.75 && high.statistic > 14.75)
        #expect(abs(high.probability - 0.0006) < 0.00005)
    }

    @Test func aShortSkewedSample() {
        let test = NormalityTest((1...20).map { Double($0 * $0) })
        expect(test.skewness, 1.319733, 1e-6)
        expect(test.kurtosis, -0.879206, 1e-6)
        expect(test.statistic, 2.514697, 1e-6)
        expect(test.probability, 0.284407, 1e-5)
    }
}

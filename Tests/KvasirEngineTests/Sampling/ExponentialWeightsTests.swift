import Foundation
import Testing

@testable import KvasirEngine

@Suite struct ExponentialWeightsTests {
    private func weights(_ logits: [Float], minus maximum: Float = 0, over divisor: Float = 1) -> [Float] {
        var result = [Float](repeating: .nan, count: logits.count)
        logits.withUnsafeBufferPointer { logits in
            result.withUnsafeMutableBufferPointer { result in
                ExponentialWeights.write(of: logits, minus: maximum, over: divisor, to: result)
            }
        }
        return result
    }

    @Test func agreesWithTheLibraryWithinTwoUnitsOfTheLastPlace() {
        let arguments = (0...20_011).map { -Float($0) * 87 / 20_011 }
        for (argument, got) in zip(arguments, weights(arguments)) {
            let expected = exp(Double(argument))
            #expect(abs(Double(got) - expected) <= 2e-7 * expected, "e^\(argument)")
        }
    }

    @Test func theMaximumHasExactlyWeightOne() {
        #expect(weights([12.345], minus: 12.345, over: 0.3) == [1])
        #expect(weights([Float](repeating: -7, count: 9), minus: -7) == [Float](repeating: 1, count: 9))
    }

    @Test func whatIsNoNumberOrTooSmallHasWeightZero() {
        #expect(weights([.nan, -.infinity, -88, -1e30, 0, .nan, -200, -87.5, .nan]) == [0, 0, 0, 0, 1, 0, 0, 0, 0])
    }

    /// Bit patterns, so that a change in the arithmetic, on any machine, shows.
    @Test func theBitsAreTheSameEverywhere() {
        let bits = weights([-0.1, -1, -2.5, -10, -33.3, -86.9]).map(\.bitPattern)
        #expect(bits == [1_063_756_653, 1_052_531_378, 1_034_427_438, 943_614_926, 662_221_546, 12_980_105])
    }
}

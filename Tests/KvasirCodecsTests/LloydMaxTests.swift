import KvasirNumerics
import Testing

@testable import KvasirCodecs

@Suite struct LloydMaxTests {
    /// The tables of Max (1960), as far as its digits go.
    static let published: [[Double]] = [
        [0.797885], [0.452780, 1.510418], [0.245094, 0.756005, 1.343909, 2.151946],
        [0.128395, 0.388048, 0.656759, 0.942340, 1.256231, 1.618046, 2.069017, 2.732590],
    ]

    @Test(arguments: 1...4)
    func theLevelsAreThePublishedOnes(bits: Int) {
        let levels = Self.published[bits - 1]
        let computed = LloydMaxCodec.positiveLevels[bits - 1]
        #expect(computed.count == levels.count)
        #expect(zip(computed, levels).allSatisfy { abs($0 - $1) < 6e-7 }, "\(computed)")
    }

    @Test(arguments: 1...4)
    func everyLevelIsTheMeanOfTheValuesNearestToIt(bits: Int) {
        let levels = LloydMaxCodec.positiveLevels[bits - 1]
        let thresholds = [0] + zip(levels, levels.dropFirst()).map { ($0 + $1) / 2 } + [.infinity]
        for (index, level) in levels.enumerated() {
            #expect(abs(NormalDistribution.mean(from: thresholds[index], to: thresholds[index + 1]) - level) < 1e-14)
        }
    }

    @Test(arguments: 1...4)
    func dotProductsDoNotShrink(bits: Int) throws {
        let codec = try CodecRegistry.codec(named: "lm\(bits)")
        let shape = HeadShape(kvHeads: 2, headSize: 128)
        let fixture = try CodecFixture(codec: codec, shape: shape, tokens: 20, instructionSet: .best) {
            $0.normalsWithOutliers($1)
        }
        for token in 0..<20 {
            let vector = fixture.keyVectors[token * 256..<(token + 1) * 256].map(Double.init)
            let decoded = fixture.decodedKey(token).map(Double.init)
            for block in [0..<128, 128..<256] {
                let itself = block.reduce(0) { $0 + vector[$1] * vector[$1] }
                let product = block.reduce(0) { $0 + vector[$1] * decoded[$1] }
                // Half a unit in the last place of an fp16 scale.
                #expect(abs(product / itself - 1) <= 0x1p-11)
            }
        }
    }

    @Test func levelsAreAssignedByTheScaleWithTheLeastSquareError() throws {
        // One value among small ones: a table stretched over it would put all others on one level.
        let codec = try CodecRegistry.codec(named: "lm2")
        let vector = (0..<128).map { Float($0 == 5 ? 12 : $0 % 4 == 0 ? 0.5 : $0 % 4 == 1 ? -1.8 : -0.5) }
        let fixture = try CodecFixture(
            codec: codec, shape: HeadShape(kvHeads: 1, headSize: 128), tokens: 1, instructionSet: .generic
        ) { _, _ in vector }
        let sizes = Set(fixture.decodedKey(0).map(abs)).sorted()
        #expect(sizes.count == 2)
        #expect(abs(fixture.decodedKey(0)[1]) == sizes[1])
        #expect(abs(fixture.decodedKey(0)[2]) == sizes[0])
    }

    @Test func oneBitIsTheSignAndAMagnitude() throws {
        let codec = try CodecRegistry.codec(named: "lm1")
        let shape = HeadShape(kvHeads: 1, headSize: 32)
        let vector = (0..<32).map { Float($0 % 2 == 0 ? 1 : -3) }
        let fixture = try CodecFixture(codec: codec, shape: shape, tokens: 1, instructionSet: .generic) { _, _ in vector
        }
        // 16 squares of 1 and 16 of 9, over 16 ones and 16 threes.
        #expect(fixture.decodedKey(0) == vector.map { $0 > 0 ? 2.5 : -2.5 })
        #expect(fixture.keys.storage.bitsPerValue(width: 32) == 1.5)
    }

    @Test func aConstantBlockIsExact() throws {
        for name in ["lm4", "lm3", "lm2", "lm1"] {
            let fixture = try CodecFixture(
                codec: try CodecRegistry.codec(named: name), shape: HeadShape(kvHeads: 2, headSize: 64), tokens: 1,
                instructionSet: .generic
            ) { _, count in [Float](repeating: -3, count: count) }
            #expect(fixture.decodedKey(0).allSatisfy { $0 == -3 }, "\(name)")
        }
    }
}

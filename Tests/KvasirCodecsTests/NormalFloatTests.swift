import CKvasir
import KvasirNumerics
import Testing

@testable import KvasirCodecs

/// The test vectors of the NQKV reference.
@Suite struct NormalFloatTests {
    /// Encodes one token of `kvHeads` x 16 values and returns indices and decoded values.
    private func coded(_ vector: [Float], bits: Int = 4) throws -> (indices: [Int], decoded: [Float], scale: Float) {
        // The block is padded to one head with copies of its first value, which change neither maximum nor indices.
        let width = 16
        let padded = vector + [Float](repeating: vector[0], count: width - vector.count)
        let format = try NormalFloatCodec(bits: bits).format(
            LayerContext(shape: HeadShape(kvHeads: 1, headSize: width), instructionSet: .generic))
        let part = AlignedBuffer<UInt8>(zeroed: format.storage.bytes)
        let memory = UnsafeMutableRawPointer(part.pointer)
        let keys = BlockKeys(block: format)
        padded.withUnsafeBufferPointer { keys.encode($0.baseAddress!, position: 0, into: memory) }
        let decoded = [Float](unsafeUninitializedCapacity: width) { buffer, count in
            keys.decode(position: 0, of: memory, into: buffer.baseAddress!)
            count = width
        }
        let scale = kv_f16_to_f32(memory.load(fromByteOffset: format.storage.codes, as: UInt16.self))
        var codes = [UInt8](repeating: 0, count: width)
        withUnsafePointer(to: format.format) { kv_block_key_codes($0, memory, 0, &codes) }
        let indices = codes.prefix(vector.count).map(Int.init)
        return (indices, Array(decoded.prefix(vector.count)), scale)
    }

    @Test func aBlockOfEight() throws {
        let result = try coded([0, 0.5, -1, 2, -2, 0.16, -0.4, 1.1])
        #expect(result.indices == [7, 10, 2, 15, 0, 8, 5, 13])
        let expected: [Float] = [0, 0.492225, -1.050146, 2, -2, 0.159161, -0.369547, 1.125234]
        #expect(zip(result.decoded, expected).allSatisfy { abs($0 - $1) < 5e-7 })
    }

    @Test func aZeroBlock() throws {
        let result = try coded([Float](repeating: 0, count: 8))
        #expect(result.indices == [Int](repeating: 7, count: 8))
        #expect(result.scale == 0)
        #expect(result.decoded.allSatisfy { $0 == 0 })
    }

    @Test func aConstantBlockIsExact() throws {
        let result = try coded([Float](repeating: -3, count: 8))
        #expect(result.indices == [Int](repeating: 0, count: 8))
        #expect(result.scale == 3)
        #expect(result.decoded.allSatisfy { $0 == -3 })
    }

    @Test func aTieTakesTheLowerLevel() throws {
        let threshold = Float(0.03979014977812767)
        #expect(try coded([1, threshold]).indices == [15, 7])
        #expect(try coded([1, threshold.nextUp]).indices == [15, 8])
    }

    @Test func notANumberIsStoredAsZeroAndKeptOutOfTheScale() throws {
        let result = try coded([1, .nan, -0.5, .nan])
        #expect(result.indices[1] == 7 && result.indices[3] == 7)
        #expect(result.scale == 1)
    }

    @Test func infinityIsClampedToTheLargestScale() throws {
        let result = try coded([1, .infinity, -.infinity])
        #expect(result.scale == 65504)
        #expect(result.decoded[1] == 65504 && result.decoded[2] == -65504)
    }

    @Test func theScaleIsRoundedUp() throws {
        // 1.0001 lies between two halves; the lower one would push it beyond the last level.
        let result = try coded([1.0001, 0.5])
        #expect(result.scale >= 1.0001)
        #expect(result.scale == Float(1.0009765625))
    }

    @Test func theLevelsAreThePublishedOnes() {
        #expect(NormalFloatCodec.publishedLevels.count == 16)
        #expect(NormalFloatCodec.publishedLevels[1] == -0.6961928009986877)
        #expect(NormalFloatCodec.publishedLevels[8] == 0.07958029955625534)
        #expect(NormalFloatCodec.publishedLevels[14] == 0.7229568362236023)
        #expect(
            zip(NormalFloatCodec.publishedLevels, NormalFloatCodec.publishedLevels.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test func theLevelsFollowTheQuantilesOfTheNormalDistribution() {
        let computed = NormalFloatCodec.quantileLevels(bits: 4)
        #expect(zip(computed, NormalFloatCodec.publishedLevels).allSatisfy { abs($0 - Double($1)) < 2e-7 })
    }

    /// A narrower table, and what it makes of the block of eight.
    struct Narrower: Sendable {
        let bits: Int
        let levels: [Double]
        let indices: [Int]
        let decoded: [Double]
    }

    static let narrower = [
        Narrower(
            bits: 3, levels: [-1, -0.53502274, -0.24693143, 0, 0.18333748, 0.38199395, 0.62298572, 1],
            indices: [3, 4, 1, 7, 0, 3, 2, 6], decoded: [0, 0.366675, -1.070045, 2, -2, 0, -0.493863, 1.245971]),
        Narrower(
            bits: 2, levels: [-1, 0, 0.43581817, 1], indices: [1, 2, 0, 3, 0, 1, 1, 2],
            decoded: [0, 0.871636, -2, 2, -2, 0, 0, 0.871636]),
    ]

    @Test(arguments: narrower)
    func narrowerTables(_ table: Narrower) throws {
        let computed = NormalFloatCodec.levels(bits: table.bits)
        #expect(computed.count == table.levels.count)
        // The published tables have the precision of float32: one unit in the last place below 1 is 6e-8.
        #expect(zip(computed, table.levels).allSatisfy { abs(Double($0) - $1) < 9e-8 })
        let result = try coded([0, 0.5, -1, 2, -2, 0.16, -0.4, 1.1], bits: table.bits)
        #expect(result.indices == table.indices)
        #expect(zip(result.decoded, table.decoded).allSatisfy { abs(Double($0) - $1) < 1e-6 })
        let zero = try coded([Float](repeating: 0, count: 8), bits: table.bits)
        #expect(zero.indices == [Int](repeating: table.bits == 3 ? 3 : 1, count: 8))
    }

    @Test(arguments: [3, 2])
    func narrowerIndicesArePacked(bits: Int) throws {
        let storage = try CodecRegistry.codec(named: "nf\(bits)").keys(
            shape: HeadShape(kvHeads: 3, headSize: 64), instructionSet: .generic
        ).storage
        #expect(storage.bitsPerValue(width: 192) == Double(bits) + 1.0 / 12)
    }

    @Test func integerLevelsStayWithinTheRoundingOfEightBits() {
        let (codes, unit) = BlockFormat.integerLevels(NormalFloatCodec.publishedLevels)
        for (code, level) in zip(codes, NormalFloatCodec.publishedLevels) {
            #expect(abs(Float(code) * unit - level) <= 0.5 / 120)
        }
        #expect(codes[7] == 0)
    }

    @Test(arguments: [
        (HeadShape(kvHeads: 8, headSize: 64), 260.0, 4.0625), (HeadShape(kvHeads: 3, headSize: 64), 98.0, 98.0 / 24),
    ])
    func bitsPerValueCountTheScales(shape: HeadShape, bytesPerToken: Double, bits: Double) throws {
        let codec = try CodecRegistry.codec(named: "nf4")
        let storage = try codec.keys(shape: shape, instructionSet: .generic).storage
        #expect(Double(storage.bytes) / Double(PageGeometry.tokens) == bytesPerToken)
        #expect(storage.bitsPerValue(width: shape.width) == bits)
    }

    @Test func blocksSpanHeadsAndTheLastIsShorter() throws {
        // Width 320: a block of 256 over four heads of 80, of which the fourth lies in both blocks.
        let codec = NormalFloatCodec(bits: 4)
        let fixture = try CodecFixture(
            codec: codec, shape: HeadShape(kvHeads: 4, headSize: 80), tokens: 1, instructionSet: .generic
        ) { _, count in (0..<count).map { $0 < 256 ? 1 : 0.001 } }
        let decoded = fixture.decodedKey(0)
        #expect(decoded[255] == 1)
        // Had the tail shared the first block's scale, 0.001 would have become 0.
        #expect(abs(decoded[256] - 0.001) < 1e-6)
        #expect(
            try codec.keys(shape: HeadShape(kvHeads: 4, headSize: 80), instructionSet: .generic).storage.scales == 256)
    }
}

import CKvasir
import KvasirNumerics
import Testing

@testable import KvasirCodecs

/// The test vectors of the NQKV reference.
@Suite struct NormalFloatTests {
    /// Encodes one token of `kvHeads` x 16 values and returns indices and decoded values.
    private func coded(_ vector: [Float], block: Int = 256) throws -> (indices: [Int], decoded: [Float], scale: Float) {
        // The block is padded to one head with copies of its first value, which change neither maximum nor indices.
        let width = 16
        let padded = vector + [Float](repeating: vector[0], count: width - vector.count)
        let format = try NormalFloatCodec(block: block).format(HeadShape(kvHeads: 1, headSize: width), .generic)
        let part = AlignedBuffer<UInt8>(zeroed: format.storage.bytes)
        let memory = UnsafeMutableRawPointer(part.pointer)
        let keys = BlockKeys(block: format)
        padded.withUnsafeBufferPointer { keys.encode($0.baseAddress!, slot: 0, into: memory) }
        let decoded = [Float](unsafeUninitializedCapacity: width) { buffer, count in
            keys.decode(slot: 0, of: memory, into: buffer.baseAddress!)
            count = width
        }
        let scale = kv_f16_to_f32(memory.load(fromByteOffset: format.storage.codes, as: UInt16.self))
        let indices = (0..<vector.count).map { channel in
            let byte = part[channel / 8 * 64 + channel % 4]
            return Int(channel % 8 < 4 ? byte & 15 : byte >> 4)
        }
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
        #expect(NormalFloatCodec.levels.count == 16)
        #expect(NormalFloatCodec.levels[1] == -0.6961928009986877)
        #expect(NormalFloatCodec.levels[8] == 0.07958029955625534)
        #expect(NormalFloatCodec.levels[14] == 0.7229568362236023)
        #expect(zip(NormalFloatCodec.levels, NormalFloatCodec.levels.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test func theLevelsFollowTheQuantilesOfTheNormalDistribution() {
        let computed = NormalFloatCodec.quantileLevels(bits: 4)
        #expect(zip(computed, NormalFloatCodec.levels).allSatisfy { abs($0 - Double($1)) < 2e-7 })
    }

    @Test(arguments: [
        (
            3, [-1, -0.53502274, -0.24693143, 0, 0.18333748, 0.38199395, 0.62298572, 1], [3, 4, 1, 7, 0, 3, 2, 6],
            [0, 0.366675, -1.070045, 2, -2, 0, -0.493863, 1.245971]
        ),
        (
            2, [-1, 0, 0.43581817, 1], [1, 2, 0, 3, 0, 1, 1, 2], [0, 0.871636, -2, 2, -2, 0, 0, 0.871636]
        ),
    ])
    func narrowerTables(bits: Int, levels: [Double], indices: [Int], decoded: [Double]) {
        let computed = NormalFloatCodec.quantileLevels(bits: bits)
        #expect(computed.count == levels.count)
        // The published tables have the precision of float32: one unit in the last place below 1 is 6e-8.
        #expect(zip(computed, levels).allSatisfy { abs($0 - $1) < 6e-8 })
        let block = [0, 0.5, -1, 2, -2, 0.16, -0.4, 1.1]
        let thresholds = zip(computed, computed.dropFirst()).map { ($0 + $1) / 2 }
        let chosen = block.map { value in thresholds.count { value / 2 > $0 } }
        #expect(chosen == indices)
        #expect(zip(chosen, decoded).allSatisfy { abs(computed[$0] * 2 - $1) < 1e-6 })
    }

    @Test func integerLevelsStayWithinTheRoundingOfEightBits() {
        let (codes, unit) = BlockFormat.integerLevels(NormalFloatCodec.levels)
        for (code, level) in zip(codes, NormalFloatCodec.levels) {
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
        let codec = NormalFloatCodec(block: 256)
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

@Suite struct CodecRegistryTests {
    @Test func everyMemberParsesBackFromItsName() throws {
        for member in CodecRegistry.families.flatMap(\.members) {
            #expect(try CodecRegistry.codec(named: member.name).name == member.name)
        }
        #expect(try CodecRegistry.codec(named: "NF4").name == "nf4/b256")
    }

    @Test func anUnknownNameSuggestsTheNearest() {
        let error = #expect(throws: CodecError.self) { try CodecRegistry.codec(named: "nf44") }
        #expect(error?.description == "'nf44' is not a cache codec; did you mean 'nf4'? The codecs are f32, f16, nf4")
        let far = #expect(throws: CodecError.self) { try CodecRegistry.codec(named: "zstandard") }
        #expect(far?.description == "'zstandard' is not a cache codec; the codecs are f32, f16, nf4")
    }

    @Test(arguments: ["nf4/b48", "nf4/", "nf4/b64/b32", "f16/b64"])
    func unknownParametersAreRefused(name: String) {
        let error = #expect(throws: CodecError.self) { try CodecRegistry.codec(named: name) }
        #expect(error?.reason == .unknownParameter)
    }

    @Test func impossibleHeadSizesNameTheNearestPossible() throws {
        let codec = try CodecRegistry.codec(named: "nf4")
        let error = #expect(throws: CodecError.self) {
            _ = try codec.keys(shape: HeadShape(kvHeads: 2, headSize: 60), instructionSet: .generic)
        }
        #expect(
            error?.description
                == "head size 60 is not supported by this codec; it takes multiples of 16 (the nearest is 64); "
                + "f16 takes every head size")
    }
}

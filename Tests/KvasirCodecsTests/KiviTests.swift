import KvasirNumerics
import Testing

@testable import KvasirCodecs

/// What is particular to KIVI: which values share a range, and what is kept beside them.
@Suite struct KiviTests {
    /// A range of values as the paper's algorithm stores it, in half precision.
    private struct Range {
        let scale: Float
        let zero: Float
        let steps: Float

        init(_ values: [Float], bits: Int) {
            steps = Float((1 << bits) - 1)
            let least = values.min() ?? 0
            let most = values.max() ?? 0
            scale = Float(Float16((most - least) / steps))
            zero = Float(Float16(least))
        }

        func decoded(_ value: Float) -> Float {
            guard scale > 0 else { return zero }
            let code = min(max((value - zero) / scale, 0), steps).rounded(.toNearestOrEven)
            return code * scale + zero
        }
    }

    @Test(arguments: ["kivi2", "kivi4", "kivi2/g64", "kivi4/g64"], InstructionSet.supported)
    func keysShareARangeAcrossTokensAndValuesAcrossChannels(name: String, instructionSet: InstructionSet) throws {
        let codec = try #require(CodecRegistry.codec(named: name) as? KiviCodec)
        let shape = HeadShape(kvHeads: 3, headSize: 48)
        let fixture = try CodecFixture(
            codec: codec, shape: shape, tokens: 192, instructionSet: instructionSet
        ) { $0.normalsWithOutliers($1) }
        let width = shape.width
        for token in 0..<192 {
            let group = token / codec.group * codec.group..<(token / codec.group + 1) * codec.group
            let key = (0..<width).map { channel in
                Range(group.map { fixture.keyVectors[$0 * width + channel] }, bits: codec.bits)
                    .decoded(fixture.keyVectors[token * width + channel])
            }
            #expect(fixture.decodedKey(token) == key)
            let value = stride(from: 0, to: width, by: codec.group).flatMap { first in
                let block = Array(
                    fixture.valueVectors[token * width + first..<token * width + min(first + codec.group, width)])
                let range = Range(block, bits: codec.bits)
                return block.map(range.decoded)
            }
            #expect(fixture.decodedValue(token) == value)
        }
    }

    @Test func aLargeChannelOfKeysCostsTheOthersNothing() throws {
        let shape = HeadShape(kvHeads: 1, headSize: 64)
        func error(_ channel: Float) throws -> Double {
            let fixture = try CodecFixture(
                codec: try CodecRegistry.codec(named: "kivi2"), shape: shape, tokens: 64, instructionSet: .generic
            ) { generator, count in
                generator.normals(count).enumerated().map {
                    $0.offset % 64 == 9 ? channel + $0.element : $0.element
                }
            }
            let others = { (vector: [Float]) in vector.enumerated().filter { $0.offset % 64 != 9 }.map(\.element) }
            return relativeError(others((0..<64).flatMap(fixture.decodedKey)), others(fixture.keyVectors))
        }
        let (large, none) = (try error(50), try error(0))
        #expect(large == none)
    }

    @Test(arguments: [("kivi2", 3.0), ("kivi4", 5.0), ("kivi2/g64", 2.5), ("kivi4/g64", 4.5)])
    func scalesAndZerosAreCounted(name: String, bits: Double) throws {
        let codec = try CodecRegistry.codec(named: name)
        let shape = HeadShape(kvHeads: 2, headSize: 96)
        let keys = try codec.keys(shape: shape, instructionSet: .generic)
        let values = try codec.values(shape: shape, instructionSet: .generic)
        #expect(keys.storage.bitsPerValue(width: shape.width) == bits)
        #expect(values.storage.bitsPerValue(width: shape.width) == bits)
    }

    @Test(arguments: ["kivi2", "kivi2/rot", "kivi4/g64/r256"])
    func theCacheIsToldOfGroupsAndResidual(name: String) throws {
        let codec = try CodecRegistry.codec(named: name)
        let shape = HeadShape(kvHeads: 2, headSize: 64)
        let keys = try codec.keys(shape: shape, instructionSet: .best)
        let values = try codec.values(shape: shape, instructionSet: .best)
        let isLong = name.contains("r256")
        #expect(keys.groupTokens == (isLong ? 64 : 32) && keys.residualTokens == (isLong ? 256 : 128))
        #expect(values.groupTokens == 1 && values.residualTokens == keys.residualTokens)
    }

    @Test(arguments: InstructionSet.supported)
    func aQueryThatIsNotANumberHasScoresThatAreNone(instructionSet: InstructionSet) throws {
        let shape = HeadShape(kvHeads: 1, headSize: 80)
        let fixture = try CodecFixture(
            codec: try CodecRegistry.codec(named: "kivi4"), shape: shape, tokens: 70, instructionSet: instructionSet)
        for channel in [0, 31, 79] {
            var query = [Float](repeating: 1, count: 80)
            query[channel] = .nan
            #expect(fixture.score(head: 0, queries: query).allSatisfy { $0.isNaN })
        }
    }
}

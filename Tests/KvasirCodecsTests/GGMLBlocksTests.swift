import Foundation
import KvasirCodecs
import KvasirNumerics
import Testing

/// Rows and what ggml's reference quantizers make of them; scripts/fixtures/make-ggml-blocks.c says how they were made.
private struct Published {
    let rows: Int
    let width: Int
    let vectors: [Float]
    private let blocks: [GGMLType: [UInt8]]

    init() throws {
        let url = try #require(
            Bundle.module.url(forResource: "ggml-blocks", withExtension: "bin", subdirectory: "Fixtures"))
        let bytes = [UInt8](try Data(contentsOf: url))
        func number(_ at: Int) -> UInt32 { bytes[at..<at + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) } }
        let (rows, width) = (Int(number(0)), Int(number(4)))
        self.rows = rows
        self.width = width
        vectors = (0..<rows * width).map { Float(bitPattern: number(8 + 4 * $0)) }
        var at = 8 + 4 * rows * width
        var blocks: [GGMLType: [UInt8]] = [:]
        for type in GGMLType.allCases {
            let count = try rows * GGMLBlocks(type: type, shape: HeadShape(kvHeads: 1, headSize: width)).bytesPerToken
            blocks[type] = Array(bytes[at..<at + count])
            at += count
        }
        #expect(at == bytes.count)
        self.blocks = blocks
    }

    func row(_ row: Int, of type: GGMLType) -> [UInt8] {
        guard let all = blocks[type] else { return [] }
        return Array(all[row * all.count / rows..<(row + 1) * all.count / rows])
    }
}

@Suite struct GGMLBlocksTests {
    @Test(arguments: GGMLType.allCases, InstructionSet.supported)
    func blocksAreThoseOfTheReferenceQuantizers(type: GGMLType, instructionSet: InstructionSet) throws {
        let published = try Published()
        let codec = try CodecRegistry.codec(named: type.rawValue)
        for shape in [
            HeadShape(kvHeads: 3, headSize: 64), HeadShape(kvHeads: 1, headSize: 192),
            HeadShape(kvHeads: 4, headSize: 48),
        ] {
            let fixture = try CodecFixture(
                codec: codec, shape: shape, tokens: published.rows, instructionSet: instructionSet
            ) { _, _ in published.vectors }
            let reader = try GGMLBlocks(type: type, shape: shape)
            let (keys, values) = fixture.parts(ofPage: 0)
            for row in 0..<published.rows {
                let expected = meaningful(published.row(row, of: type), type)
                #expect(meaningful(reader.bytes(ofKey: row, in: keys), type) == expected, "\(shape) row \(row)")
                #expect(meaningful(reader.bytes(ofValue: row, in: values), type) == expected, "\(shape) row \(row)")
            }
        }
    }

    /// The reference leaves the codes of an iq4_nl block of zeros as they were in memory before.
    private func meaningful(_ bytes: [UInt8], _ type: GGMLType) -> [UInt8] {
        guard type == .iq4_nl else { return bytes }
        return stride(from: 0, to: bytes.count, by: 18).flatMap { start -> [UInt8] in
            let block = bytes[start..<start + 18]
            return block.prefix(2).allSatisfy { $0 == 0 } ? [0, 0] : Array(block)
        }
    }

    static let publishedBits: [(name: String, bits: Double)] = [
        ("q8_0", 8.5), ("q5_1", 6), ("q5_0", 5.5), ("q4_1", 5), ("q4_0", 4.5), ("iq4_nl", 4.5),
    ]

    @Test(arguments: publishedBits)
    func bitsPerValueAreThePublishedOnes(name: String, bits: Double) throws {
        let codec = try CodecRegistry.codec(named: name)
        let shape = HeadShape(kvHeads: 3, headSize: 64)
        #expect(try codec.keys(shape: shape, instructionSet: .generic).storage.bitsPerValue(width: 192) == bits)
        let type = try #require(GGMLType(rawValue: name))
        #expect(try GGMLBlocks(type: type, shape: shape).bytesPerToken == Int(192 * bits / 8))
    }

    @Test func aShorterLastBlockIsStoredButNotExchanged() throws {
        let shape = HeadShape(kvHeads: 3, headSize: 80)
        let fixture = try CodecFixture(
            codec: try CodecRegistry.codec(named: "q4_0"), shape: shape, tokens: 1, instructionSet: .generic
        ) { _, count in (0..<count).map { $0 % 240 < 224 ? 8 : 0.5 } }
        #expect(fixture.decodedKey(0).suffix(16).allSatisfy { $0 == 0.5 })
        let error = #expect(throws: CodecError.self) { _ = try GGMLBlocks(type: .q4_0, shape: shape) }
        #expect(
            error?.description
                == "a vector of 240 values is not supported by this codec; ggml's blocks hold 32 values each")
    }
}

import Foundation
import KvasirNumerics
import Testing

@testable import KvasirCodecs

/// Keys without their mean: what is stored is the difference, what is scored is the key.
@Suite struct CenteringTests {
    private static let bases = ["f32", "f16", "q8_0", "nf4", "lm4/b128/rot", "lm3/rot", "kivi4"]
    private static let shapes = [
        HeadShape(kvHeads: 3, headSize: 64), HeadShape(kvHeads: 2, headSize: 80), HeadShape(kvHeads: 1, headSize: 128),
    ]

    /// Means several times the scatter of the keys.
    private static func means(_ shape: HeadShape) -> [Float] {
        var generator = PlainGenerator(seed: 5)
        return generator.normals(shape.width).map { 4 * $0 }
    }

    private static func geometry(_ order: ChannelOrder, pairs: Int) -> RotaryEmbedding {
        RotaryEmbedding(frequencies: (0..<pairs).map { pow(10_000, -Double($0) / Double(pairs)) }, order: order)
    }

    /// The mean turned to a position, in double precision.
    private static func turned(_ means: [Float], _ geometry: RotaryEmbedding, _ shape: HeadShape, at position: Int)
        -> [Double]
    {
        var key = means.map(Double.init)
        for head in stride(from: 0, to: shape.width, by: shape.headSize) {
            for pair in 0..<geometry.frequencies.count {
                let (first, second) = geometry.channels(ofPair: pair)
                let angle = geometry.frequencies[pair] * Double(position)
                let (a, b) = (key[head + first], key[head + second])
                key[head + first] = a * cos(angle) - b * sin(angle)
                key[head + second] = a * sin(angle) + b * cos(angle)
            }
        }
        return key
    }

    private static func fixture(
        _ base: String, _ shape: HeadShape, _ order: ChannelOrder, tokens: Int,
        _ instructionSet: InstructionSet, pairs: Int? = nil, step: Int = 1
    ) throws -> CodecFixture {
        let geometry = geometry(order, pairs: pairs ?? shape.headSize / 2)
        let rotary = try RotaryPages(geometry, headSize: shape.headSize, instructionSet: instructionSet)
        let means = means(shape)
        return try CodecFixture(
            codec: CenteredCodec(base: CodecRegistry.codec(named: base)), shape: shape, tokens: tokens,
            instructionSet: instructionSet, mean: KeyMean(means, rotary: rotary),
            values: CodecRegistry.codec(named: "f32"), step: step
        ) { generator, count in
            let noise = generator.normals(count)
            return noise.indices.map { index in
                let (token, channel) = index.quotientAndRemainder(dividingBy: shape.width)
                return noise[index] + Float(turned(means, geometry, shape, at: token)[channel])
            }
        }
    }

    @Test(arguments: bases, InstructionSet.supported)
    func fusedScoresEqualDecodeThenScore(base: String, instructionSet: InstructionSet) throws {
        var generator = PlainGenerator(seed: 3)
        for (index, shape) in Self.shapes.enumerated() {
            let order: ChannelOrder = index % 2 == 0 ? .interleaved : .halves
            let fixture = try Self.fixture(
                base, shape, order, tokens: [130, 64, 1][index], instructionSet, pairs: index == 1 ? 20 : nil)
            let head = shape.kvHeads - 1
            let queries = generator.normals(5 * shape.headSize)
            let (scores, sizes) = PlainAttention(fixture, head: head, rows: 5).score(queries)
            let error = relativeError(fixture.score(head: head, queries: queries), scores, sizes: sizes)
            // The products with the mean are rounded twice, to half a step of 1/(127 * 127) of the largest of a unit, which
            // is some 2.5 times their mean square: 2.5 / (2 * 127 * 127 * sqrt(3)). The base codec adds what it has.
            #expect(error <= (base.hasPrefix("f") ? 4.5e-5 : 1e-2), "\(base) \(shape)")
        }
    }

    @Test func theMeanCostsNothing() throws {
        // Four times the scatter: stored with the mean, the keys would take an error 17 times as large.
        let shape = Self.shapes[0]
        let fixture = try Self.fixture("nf4", shape, .interleaved, tokens: 200, .best)
        var error = 0.0
        for token in 1..<200 {
            let decoded = fixture.decodedKey(token)
            for channel in 0..<shape.width {
                let difference = Double(decoded[channel] - fixture.keyVectors[token * shape.width + channel])
                error += difference * difference
            }
        }
        // The budget of nf4/b256 for values of variance 1 (192 of them here), and the 8 bits of the turned mean.
        #expect(error / Double(199 * shape.width) < 0.0099)
    }

    @Test func nothingIsTakenAwayFromTheFirstToken() throws {
        let shape = Self.shapes[0]
        let fixture = try Self.fixture("f16", shape, .interleaved, tokens: 2, .best)
        let stored = fixture.decodedKey(0)
        for channel in 0..<shape.width { #expect(stored[channel] == Float(Float16(fixture.keyVectors[channel]))) }
    }

    @Test func neitherOrderNorCutChangesAnything() throws {
        let shape = Self.shapes[0]
        let fixture = try Self.fixture("nf4/rot", shape, .halves, tokens: 150, .best)
        let other = try Self.fixture("nf4/rot", shape, .halves, tokens: 150, .best, step: 7)
        for page in 0..<3 { #expect(fixture.bytes(ofPage: page) == other.bytes(ofPage: page)) }
        var generator = PlainGenerator(seed: 1)
        let queries = generator.normals(3 * shape.headSize)
        let together = fixture.score(head: 1, queries: queries)
        let alone = fixture.score(head: 1, queries: Array(queries[..<shape.headSize]))
        #expect(alone == Array(together[..<150]))
        #expect(fixture.score(head: 1, queries: Array(queries[..<shape.headSize]), firstPage: 1) == Array(alone[64...]))
    }

    @Test func namesAndRefusals() throws {
        #expect(try CodecRegistry.codec(named: "nf4/center/rot/b64").name == "nf4/b64/rot/center")
        #expect(try CodecRegistry.codec(named: "nf4/rot/center").calibrations == [.center])
        let twice = #expect(throws: CodecError.self) { try CodecRegistry.codec(named: "nf4/center/center") }
        #expect(twice?.reason == .unknownParameter)
        let codec = try CodecRegistry.codec(named: "nf4/center")
        let unknown = #expect(throws: CodecError.self) { try codec.keys(shape: Self.shapes[0], instructionSet: .best) }
        #expect(unknown?.reason == .needsCalibration)
        let values = #expect(throws: CodecError.self) { try codec.values(shape: Self.shapes[0], instructionSet: .best) }
        #expect(values?.reason == .unsupportedPart)
        let rotary = try RotaryPages(Self.geometry(.halves, pairs: 32), headSize: 64, instructionSet: .best)
        for means in [[Float](repeating: 0, count: 191), [Float](repeating: .nan, count: 192)] {
            let layer = LayerContext(
                shape: Self.shapes[0], instructionSet: .best, mean: KeyMean(means, rotary: rotary))
            #expect(throws: CodecError.self) { try codec.keys(of: layer) }
        }
        #expect(throws: CodecError.self) {
            try RotaryPages(Self.geometry(.halves, pairs: 33), headSize: 64, instructionSet: .best)
        }
    }
}

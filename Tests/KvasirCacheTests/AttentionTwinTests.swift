import Foundation
import KvasirCodecs
import KvasirNumerics
import Testing

@testable import KvasirCache

/// What the parts may differ from attention in double precision on decoded tokens by, relative to the size of a sum of the
/// same terms with random signs.
///
/// In float32 the rounding errors of a few hundred to a thousand additions remain. The integer kernels of the codebooks
/// round levels (to 1/112 of a block's range: 0.6 % of the root mean square of normal values in blocks of 256) and queries
/// (to 1/254 of the largest of 32 channels). For keys the conformance test of the codecs allows 1 % of a score, which is
/// about 1 here, and thereby of a token's weight. For values the levels' errors leave a mean of 0.05 %, since there are
/// more levels above zero than below; it adds up with the number of tokens that share the weight (half of what the codec's
/// own mean error, 0.09 %, does).
func attentionBudget(_ configuration: CacheConfiguration, _ instructionSet: InstructionSet, length: Int) -> Double {
    func isFloat(_ codec: String) -> Bool {
        ["f32", "f16", "bf16"].contains(codec) || codec.hasPrefix("cq-") || instructionSet == .generic
    }
    // What is left out is small beside what matters, for which these are loose: AlignedTests has the exact twin.
    if configuration.keys.hasPrefix("aligned") { return 4e-2 }
    // Products of a query with centroids have 16 bits.
    let keys =
        configuration.keys.hasSuffix("/post") ? 3e-3 : isFloat(configuration.keys) ? 1.5e-6 : 1e-2
    // Scores are nearly normal, so that the weight is spread over a share of 1/e of the tokens.
    let values =
        isFloat(configuration.values) ? 1.5e-6 : (6.5e-3 * 6.5e-3 + Double(length) / exp(1) * 5e-4 * 5e-4).squareRoot()
    return keys + values
}

@Suite struct AttentionTwinTests {
    static let shapes = [
        shape(kvHeads: 1, headSize: 16, group: 16), shape(kvHeads: 2, headSize: 32, group: 1),
        shape(kvHeads: 5, headSize: 48, group: 2), shape(kvHeads: 3, headSize: 64, group: 3),
        shape(kvHeads: 4, headSize: 80, group: 1), shape(kvHeads: 1, headSize: 112, group: 8),
        shape(kvHeads: 2, headSize: 128, group: 7), shape(kvHeads: 1, headSize: 256, group: 4),
    ]
    /// Head sizes that only the plain kernels of the float codecs take.
    static let oddShapes = [shape(kvHeads: 3, headSize: 20, group: 3), shape(kvHeads: 1, headSize: 7, group: 5)]
    static let lengths = [1, 63, 64, 65, 511, 512, 513, 1300]

    /// Half of the shapes for the representatives and one for the others; they take turns.
    private static func shapes(of configuration: String) -> [CacheShape] {
        let index = configurationTexts.firstIndex(of: configuration) ?? 0
        if representativeTexts.contains(configuration) {
            return stride(from: index % 2, to: shapes.count, by: 2).map { shapes[$0] }
        }
        return [shapes[index % shapes.count]]
    }

    /// Representatives and floats on every instruction set; the others run on kernels of these.
    private static let cases = configurationTexts.flatMap { configuration in
        let onAll = representativeTexts.contains(configuration) || ["f32", "bf16"].contains(configuration)
        return (onAll ? InstructionSet.supported : [.best]).map { (configuration, $0) }
    }

    @Test(arguments: cases)
    func attentionEqualsDecodeThenAttend(configuration: String, instructionSet: InstructionSet) throws {
        let floats = ["f32", "f16", "bf16"].contains(configuration)
        let shapes = Self.shapes(of: configuration)
        for (index, shape) in (shapes + (floats ? Self.oddShapes : [])).enumerated() {
            let fixture = try CacheFixture(
                configuration, shape: shape, instructionSet: instructionSet,
                threads: index % 2 == 0 ? 1 : ThreadPool.defaultThreadCount)
            let stream = try #require(Self.streams[shape])
            let sequence = fixture.sequence()
            var outputs: [(length: Int, rows: ArraySlice<Float>)] = []
            for length in Self.lengths {
                // The last of them in one step: a few, or more than one tile.
                let last = min(length - sequence.count, length == 511 ? 35 : 3)
                try fixture.append(length - sequence.count - last, of: stream, to: sequence)
                let rows = try fixture.step([(sequence, stream, last)])[0][0]
                // Rows of both tiles.
                outputs.append((length, rows.suffix(8 * stream.queryWidth)))
            }
            let twin = PlainAttention(sequence: sequence, stream: stream)
            for (length, rows) in outputs {
                let error = twin.error(of: Array(rows), length: length)
                let allowed = attentionBudget(fixture.plan.configuration, instructionSet, length: length)
                // A mean over few samples scatters: one may be three times the rest.
                let scatter = 1 + 2 / Double(rows.count).squareRoot()
                #expect(error <= allowed * scatter, "\(shape) length \(length)")
            }
        }
    }

    private static let streams = Dictionary(
        uniqueKeysWithValues: (shapes + oddShapes).enumerated().map {
            ($1, TokenStream(shape: $1, tokens: 1300, seed: UInt64($0)))
        })

    @Test(arguments: InstructionSet.supported)
    func aSingleTokenIsItsOwnValue(instructionSet: InstructionSet) throws {
        let shape = shape(kvHeads: 2, headSize: 64, group: 2)
        let stream = TokenStream(shape: shape, tokens: 1, seed: 3)
        let fixture = try CacheFixture("f32", shape: shape, instructionSet: instructionSet)
        let output = try fixture.run(stream, chunks: [1], into: fixture.sequence())[0]
        for head in 0..<4 {
            #expect(output[head * 64..<head * 64 + 64] == stream.values[head / 2 * 64..<head / 2 * 64 + 64])
        }
    }

    @Test(arguments: ["f32", "f16", "nf4"], InstructionSet.supported)
    func aTokenThatStandsOutTakesAllTheWeight(configuration: String, instructionSet: InstructionSet) throws {
        let shape = shape(kvHeads: 1, headSize: 32, group: 1)
        var stream = TokenStream(shape: shape, tokens: 700, seed: 5)
        for channel in 0..<32 {
            stream.queries[699 * 32 + channel] = 30
            stream.keys[123 * 32 + channel] = 10
        }
        let fixture = try CacheFixture(configuration, shape: shape, instructionSet: instructionSet)
        let sequence = fixture.sequence()
        let output = try fixture.run(stream, chunks: [699, 1], into: sequence)[0].suffix(32)
        var keys: [Float] = []
        var values: [Float] = []
        sequence.decode(layer: 0, tokens: 123..<124, keys: &keys, values: &values)
        for (actual, expected) in zip(output, values) { #expect(abs(actual - expected) <= 0.01 * 3) }
    }
}

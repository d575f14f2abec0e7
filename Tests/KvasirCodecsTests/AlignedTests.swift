import Foundation
import KvasirNumerics
import Testing

@testable import KvasirCodecs

/// AlignedKV against its algorithm written down once more, on words and in double precision.
@Suite struct AlignedTests {
    // MARK: Published vectors

    private static let words: [(value: Float, expected: [Double])] = [
        (1.2345, [1.125, 1.2421875, 1.234375]), (-0.1, [-0.1015625, -0.10009765625, -0.0999755859375]),
        (3, [3.25, 3.015625, 3]), (65504, [61440, 65280, 65504]),
    ]

    @Test(arguments: words)
    func missingBitsAreTakenAsHalfOfTheirRange(value: Float, expected: [Double]) {
        let word = Float16(value).bitPattern
        #expect([8, 12, 16].map { PlainAligned.read(word, bits: $0) } == expected)
    }

    /// The reference's example, in the first of 16 channels and of 64 tokens; the largest keys lie in a third token.
    @Test(arguments: InstructionSet.supported)
    func channelsAreReadByTheSizeOfTheirProducts(instructionSet: InstructionSet) throws {
        let rows: [[Float]] = [[1.2345, -40, 0.2, 0.7], [-1.9, 33.3, -0.11, -0.9], [2, 64, 0.25, 1]]
        let context = try SelectiveContext("aligned", size: 16, kvHeads: 1, tokens: 65, instructionSet) {
            token, channel in
            token < 3 && channel < 4 ? rows[token][channel] : 0
        }
        let query: [Float] = [1, 0.5, 8, 0.001] + [Float](repeating: 0, count: 12)
        let scores = context.scores(query, groupSize: 1, position: 64)
        #expect(abs(scores[0] + 17.155561) < 2e-6)
        #expect(abs(scores[1] - 13.877969) < 2e-6)
        // Of the 65th token, which the query sees too, everything is read.
        #expect(context.keys.meter.reading.values == [8: 13 * 64, 12: 2 * 64, 16: 64 + 16])
    }

    private static let readTokens: [(name: String, tokens: [Int: Int])] = [
        ("aligned", [16: 6, 12: 1, 8: 57]), ("aligned/code", [16: 3, 12: 1, 8: 60]),
    ]

    @Test(arguments: readTokens, InstructionSet.supported)
    func tokensAreReadByTheirWeightBesideTheOutput(
        example: (name: String, tokens: [Int: Int]), instructionSet: InstructionSet
    ) throws {
        let rows: [[Float]] = [
            [1, -0.5], [0.75, 0.25], [-1.5, 0.125], [0.3, 2], [0.9, -0.7], [1.1, 0.6], [-0.8, 1.3], [0.4, -1.9],
        ]
        let weights: [Float] = [0x1p-1, 0x1p-2, 0x1p-3, 0x1p-4, 0x1p-5, 0x1p-6, 0x1p-8, 0x1p-11]
        let context = try SelectiveContext(example.name, size: 16, kvHeads: 1, tokens: 65, instructionSet) {
            token, channel in
            token < 8 && channel < 2 ? rows[token][channel] : 0
        }
        let padded = weights + [Float](repeating: 0, count: 65 - weights.count)
        // Weights of any total give the same.
        for total: Float in [1, 8] {
            let before = context.values.meter.reading
            _ = context.mix(padded.map { $0 * total }, totals: [total], groupSize: 1, position: 64)
            let read = context.values.meter.reading.since(before)
            #expect(
                read.values == [8: 0, 12: 0, 16: 16].merging(example.tokens.mapValues { $0 * 16 }, uniquingKeysWith: +))
            #expect(read.estimatedBits == 32 * 16 * 8)
        }
    }

    @Test func theHeaviestTokenIsAlwaysAmongThoseThatEstimate() throws {
        // Tokens 8 and 40 are of one class; the value of 40 makes the output.
        let context = try SelectiveContext("aligned", size: 16, kvHeads: 1, tokens: 65, .best) { token, _ in
            token == 40 ? 1 : 0
        }
        var weights = [Float](repeating: 0, count: 65)
        weights[8] = 0.25
        weights[40] = 0.75
        _ = context.mix(weights, totals: [1], groupSize: 1, position: 64)
        // Output 0.75 with exponent 14, values 15: an alignment of 13, so that weights from 2^-5 on are read whole.
        #expect(context.values.meter.reading.values == [8: 62 * 16, 12: 0, 16: 3 * 16])
    }

    @Test func bitsOfPartlyReadChannelsAverageAsTheReferenceSays() {
        let reading = CacheReading(values: [16: 32 * 1024, 12: 32 * 1024, 8: 64 * 1024])
        #expect(reading.bitsPerValue == 11)
        #expect(CacheReading().bitsPerValue == nil)
    }

    /// A prompt of 130 tokens has 2 full blocks and 2 more tokens; 62 tokens later a third block is full.
    @Test(arguments: [(129, 128), (190, 128), (191, 192)])
    func tokensOfUnfinishedPagesAreReadWhole(position: Int, aligned: Int) throws {
        let context = try SelectiveContext("aligned/t0-0", size: 16, kvHeads: 1, tokens: 192, .best) { _, _ in 1 }
        _ = context.scores([Float](repeating: 1, count: 16), groupSize: 1, position: position)
        // Without any steps to spare, every channel below the largest product would be read at 8 bits: all are equal.
        #expect(context.keys.meter.reading.values == [8: aligned * 16, 12: 0, 16: (position + 1 - aligned) * 16])
    }

    // MARK: Against the plain algorithm

    @Test(
        arguments: ["aligned", "aligned/code", "aligned/t2-6", "aligned/t4-8/addends"], InstructionSet.supported)
    func queriesReadWhatThePlainAlgorithmReads(name: String, instructionSet: InstructionSet) throws {
        for (size, kvHeads, group) in [(64, 2, 3), (128, 1, 1), (80, 3, 2), (32, 1, 7), (256, 1, 4)] {
            let tokens = 300
            var generator = PlainGenerator(seed: UInt64(size + group))
            let sizes = (0..<size).map { _ in Float(exp2(6 * generator.uniform() - 3)) }
            let noise = generator.normals(tokens * kvHeads * size)
            let context = try SelectiveContext(name, size: size, kvHeads: kvHeads, tokens: tokens, instructionSet) {
                noise[$0 * kvHeads * size + $1] * sizes[$1 % size]
            }
            let plain = try PlainAligned(context)
            // Query tokens on both sides of a page's end.
            for (position, queryTokens) in [(299, 1), (250, 40), (60, 5)] {
                let rows = queryTokens * group
                let queries = generator.normals(rows * size).enumerated().map { $1 * sizes[($0 * 7) % size] }
                let scores = context.scores(queries, groupSize: group, position: position)
                let expected = plain.scores(queries, groupSize: group, position: position)
                #expect(
                    relativeError(scores, expected.sums, sizes: expected.sizes) < 2e-6, "\(name) \(size) \(position)")

                let weights = (0..<rows * tokens).map { index in
                    index % tokens <= position + index / tokens / group ? Float(exp(6 * generator.uniform() - 3)) : 0
                }
                let totals = (0..<rows).map { weights[$0 * tokens..<($0 + 1) * tokens].reduce(0, +) }
                let mixed = context.mix(weights, totals: totals, groupSize: group, position: position)
                let expectedMix = plain.mix(weights, totals: totals, groupSize: group, position: position)
                #expect(
                    relativeError(mixed, expectedMix.sums, sizes: expectedMix.sizes) < 2e-6,
                    "\(name) \(size) \(position)")
            }
            #expect(context.keys.meter.reading.values == plain.keyReading)
            #expect(context.values.meter.reading.values == plain.valueReading)
        }
    }

    @Test func fewerStepsReadFewerBits() throws {
        var generator = PlainGenerator(seed: 9)
        let noise = generator.normals(256 * 64)
        let query = generator.normals(64)
        var bits: [Double] = []
        for name in ["aligned/t30-30", "aligned/t8-12", "aligned/t4-8", "aligned/t2-4", "aligned/t0-0"] {
            let context = try SelectiveContext(name, size: 64, kvHeads: 1, tokens: 256, .best) { noise[$0 * 64 + $1] }
            _ = context.scores(query, groupSize: 1, position: 255)
            bits.append(try #require(context.keys.meter.reading.bitsPerValue))
        }
        #expect(bits.first == 16 && bits.last == 8)
        #expect(bits == bits.sorted(by: >))
    }

    // MARK: Bad input

    @Test(arguments: [
        "aligned/t8-4", "aligned/t4-31", "aligned/t4", "aligned/code/addends", "aligned/t4-8/t4-8", "aligned/x",
    ])
    func impossibleParametersAreRefused(name: String) {
        #expect(throws: CodecError.self) { try CodecRegistry.codec(named: name) }
    }

    @Test(arguments: ["aligned/rot", "aligned/center"])
    func whatMixesChannelsIsRefused(name: String) throws {
        let codec = try CodecRegistry.codec(named: name)
        let error = #expect(throws: CodecError.self) {
            try codec.keys(shape: HeadShape(kvHeads: 1, headSize: 64), instructionSet: .best)
        }
        #expect(error?.description.contains("write aligned/t4-8") == true)
    }
}

/// The reference's algorithm, a number at a time.
private final class PlainAligned {
    private let context: SelectiveContext
    private let thresholds: AlignmentThresholds
    private let keys: [[UInt16]]
    private let values: [[UInt16]]
    private(set) var keyReading = [8: 0, 12: 0, 16: 0]
    private(set) var valueReading = [8: 0, 12: 0, 16: 0]

    private var size: Int { context.shape.headSize }

    init(_ context: SelectiveContext) throws {
        self.context = context
        thresholds = try #require(context.codec as? AlignedCodec).thresholds
        let first = (context.shape.kvHeads - 1) * context.shape.headSize
        func words(_ decoded: [Float]) -> [UInt16] {
            decoded[first..<first + context.shape.headSize].map { Float16($0).bitPattern }
        }
        keys = (0..<context.fixture.tokens).map { words(context.fixture.decodedKey($0)) }
        values = (0..<context.fixture.tokens).map { words(context.fixture.decodedValue($0)) }
    }

    static func read(_ word: UInt16, bits: Int) -> Double {
        let read =
            switch bits {
            case 8: word & 0xff00 | 0x80
            case 12: word & 0xfff0 | 0x8
            default: word
            }
        return Double(Float16(bitPattern: read))
    }

    private static func exponent(_ word: UInt16) -> Int { Int(word >> 10 & 0x1f) }
    private static func exponent(_ value: Double) -> Int { value == 0 ? 0 : max(Int(value.exponent) + 15, 0) }

    private func maxima(_ words: [[UInt16]], _ tokens: Int) -> [Int] {
        (0..<size).map { channel in words[..<tokens].map { Self.exponent($0[channel]) }.max() ?? 0 }
    }

    private func bits(steps: Int) -> Int {
        steps < thresholds.twelve ? 16 : steps < thresholds.eight ? 12 : 8
    }

    func scores(_ queries: [Float], groupSize: Int, position: Int) -> (sums: [Double], sizes: [Double]) {
        var (sums, sizes): ([Double], [Double]) = ([], [])
        let seen = position + queries.count / size / groupSize
        for first in stride(from: 0, to: queries.count / size, by: groupSize) {
            let limit = position + first / groupSize + 1
            let blocks = limit / 64 * 64
            let maxima = maxima(keys, blocks)
            let group = (first..<first + groupSize).map { Array(queries[$0 * size..<($0 + 1) * size]) }
            var widths = [Int](repeating: 8, count: size)
            for query in group {
                let exponents = (0..<size).map { Self.exponent(Double(query[$0])) + maxima[$0] }
                for channel in 0..<size {
                    widths[channel] = max(widths[channel], bits(steps: exponents.max()! - exponents[channel]))
                }
            }
            for width in widths { keyReading[width, default: 0] += blocks }
            keyReading[16, default: 0] += (limit - blocks) * size
            for query in group {
                for (token, key) in keys[..<seen].enumerated() {
                    let terms = (0..<size).map {
                        Double(query[$0]) * Self.read(key[$0], bits: token < blocks ? widths[$0] : 16)
                    }
                    sums.append(terms.reduce(0, +))
                    sizes.append(terms.reduce(0) { $0 + $1 * $1 }.squareRoot())
                }
            }
        }
        return (sums, sizes)
    }

    func mix(
        _ weights: [Float], totals: [Float], groupSize: Int, position: Int
    ) -> (sums: [Double], sizes: [Double]) {
        let tokens = values.count
        var (sums, sizes): ([Double], [Double]) = ([], [])
        for first in stride(from: 0, to: totals.count, by: groupSize) {
            let limit = position + first / groupSize + 1
            let blocks = limit / 64 * 64
            let maxima = maxima(values, blocks)
            let group = first..<first + groupSize
            var widths = [Int](repeating: 8, count: blocks)
            for row in group where blocks > 0 {
                let shares = (0..<blocks).map { Double(weights[row * tokens + $0]) / Double(totals[row]) }
                var estimate = [Double](repeating: 0, count: size)
                for residue in 0..<32 {
                    let heaviest = stride(from: residue, to: blocks, by: 32).max { shares[$0] < shares[$1] }!
                    for channel in 0..<size {
                        estimate[channel] += shares[heaviest] * abs(Self.read(values[heaviest][channel], bits: 8))
                    }
                }
                var alignment = (0..<size).map { Self.exponent(estimate[$0]) - 1 + 15 - maxima[$0] }.min()!
                if thresholds.countsAddends {
                    alignment -= max(Int((0.5 * log2(Double(blocks) / 64)).rounded(.up)), 0)
                }
                for token in 0..<blocks {
                    widths[token] = max(widths[token], width(of: shares[token], alignment: alignment))
                }
            }
            for width in widths { valueReading[width, default: 0] += size }
            valueReading[16, default: 0] += (limit - blocks) * size
            for row in group {
                for channel in 0..<size {
                    let terms = (0..<limit).map {
                        Double(weights[row * tokens + $0])
                            * Self.read(values[$0][channel], bits: $0 < blocks ? widths[$0] : 16)
                    }
                    sums.append(terms.reduce(0, +))
                    sizes.append(terms.reduce(0) { $0 + $1 * $1 }.squareRoot())
                }
            }
        }
        return (sums, sizes)
    }

    private func width(of share: Double, alignment: Int) -> Int {
        guard thresholds.isCode else { return bits(steps: alignment - Self.exponent(share)) }
        // The difference that the authors' kernel takes of 16-bit words, with the share's fraction.
        let difference = alignment * 1024 - Int(Float16(share).bitPattern)
        return difference >= 0x800 ? 8 : difference >= 0x400 ? 12 : 16
    }
}

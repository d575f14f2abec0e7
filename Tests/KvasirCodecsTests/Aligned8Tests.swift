import Foundation
import KvasirNumerics
import Testing

@testable import KvasirCodecs

/// Alignment over 8-bit codes against its rule written down once more, a number at a time.
@Suite struct Aligned8Tests {
    // MARK: Codes

    /// A range of 0 to 256 in a unit, so that a code is the whole part of a value.
    private static let places: [(value: Float, places: [Double])] = [
        (171.3, [160, 168, 170, 171.5]), (0, [32, 8, 2, 0.5]), (255.9, [224, 248, 254, 255.5]),
    ]

    @Test(arguments: places)
    func codesStandForTheMiddleOfWhatTheirBitsLeaveOpen(value: Float, places: [Double]) {
        let unit = PlainUnit([value] + [0, 256])
        #expect([2, 4, 6, 8].map { unit.read(0, bits: $0) } == places)
    }

    @Test(arguments: InstructionSet.supported)
    func valuesComeBackWithinHalfAStep(instructionSet: InstructionSet) throws {
        // Constant, shifted far, tiny, and beyond what is stored.
        let vectors: [[Float]] = [
            .init(repeating: -3.25, count: 16), (0..<16).map { 1000 + Float($0) * 0.125 },
            (0..<16).map { Float($0) * 1e-7 }, [.infinity, -.infinity, .nan] + .init(repeating: 1, count: 13),
        ]
        let context = try SelectiveContext("aligned8", size: 16, kvHeads: 1, tokens: 64, instructionSet) {
            vectors[$0 % 4][$1]
        }
        for (token, vector) in vectors.enumerated() {
            let stored = vector.map { $0.isNaN ? 0 : min(max($0, -65504), 65504) }
            // Ends of the range are rounded outwards to fp16.
            let least = stored.min()!
            let largest = stored.max()!
            let half = (largest - least) / 512 + max(abs(least), abs(largest)) * 0x1p-18 + 0x1p-24
            for (value, decoded) in zip(stored, context.fixture.decodedValue(token)) {
                #expect(abs(value - decoded) <= half, "\(value) \(decoded)")
            }
        }
    }

    // MARK: Reading

    /// What sums may differ by, beside the root mean square of what is added up: the order of additions in float32, and
    /// with AVX-512 half a step of 64 coefficients, whose largest has 32767.
    private static func tolerance(_ instructionSet: InstructionSet) -> Double {
        instructionSet == .avx512 ? 64.0.squareRoot() * 0.5 / 32767 : 2e-6
    }

    @Test(arguments: ["aligned8", "aligned8/s2", "aligned8/s-1"], InstructionSet.supported)
    func queriesReadWhatTheRuleSays(name: String, instructionSet: InstructionSet) throws {
        for (size, kvHeads, group) in [(64, 2, 3), (128, 1, 1), (80, 3, 2), (32, 1, 7), (256, 1, 4)] {
            let tokens = 300
            var generator = PlainGenerator(seed: UInt64(size + group))
            let sizes = (0..<size).map { _ in Float(exp2(6 * generator.uniform() - 3)) }
            let noise = generator.normals(384 * kvHeads * size)
            let context = try SelectiveContext(name, size: size, kvHeads: kvHeads, tokens: tokens, instructionSet) {
                noise[$0 * kvHeads * size + $1] * sizes[$1 % size]
            }
            var plain = try PlainAligned8(context)
            // Query tokens on both sides of a page's end, and one that sees nothing but its own page.
            for (position, queryTokens) in [(299, 1), (250, 40), (60, 5), (63, 1), (64, 1)] {
                let rows = queryTokens * group
                let queries = generator.normals(rows * size).enumerated().map { $1 * sizes[($0 * 7) % size] }
                let scores = context.scores(queries, groupSize: group, position: position)
                let expected = plain.scores(queries, groupSize: group, position: position)
                for (index, sum) in expected.enumerated() {
                    guard let sum else { continue }
                    #expect(
                        abs(Double(scores[index]) - sum.value) <= Self.tolerance(instructionSet) * sum.size,
                        "\(name) \(size) \(position)")
                }

                let weights = (0..<rows * tokens).map { index in
                    index % tokens <= position + index / tokens / group ? Float(exp(6 * generator.uniform() - 3)) : 0
                }
                let mixed = context.mix(
                    weights, totals: [Float](repeating: 1, count: rows), groupSize: group, position: position)
                for (value, sum) in zip(mixed, plain.mix(weights, rows: rows, groupSize: group, position: position)) {
                    #expect(
                        abs(Double(value) - sum.value) <= Self.tolerance(instructionSet) * sum.size,
                        "\(name) \(size) \(position)")
                }
            }
            #expect(context.keys.meter.reading == plain.keyReading)
            #expect(context.values.meter.reading == plain.valueReading)
        }
    }

    @Test func moreBitsToSpareReadMoreBits() throws {
        var generator = PlainGenerator(seed: 9)
        let noise = generator.normals(256 * 64)
        let query = generator.normals(64)
        var bits: [Double] = []
        for name in ["aligned8/s6", "aligned8/s2", "aligned8/s0", "aligned8/s-3"] {
            let context = try SelectiveContext(name, size: 64, kvHeads: 1, tokens: 256, .best) { noise[$0 * 64 + $1] }
            _ = context.scores(query, groupSize: 1, position: 255)
            bits.append(try #require(context.keys.meter.reading.bitsPerValue))
        }
        // Everything, and half a bit of ranges.
        #expect(bits.first == 8.5)
        #expect(bits == bits.sorted(by: >) && bits[3] < 6)
    }

    @Test func queriesThatWereNotToldWhatToReadReadEverything() throws {
        var generator = PlainGenerator(seed: 10)
        let noise = generator.normals(128 * 64)
        let context = try SelectiveContext("aligned8/s-3", size: 64, kvHeads: 1, tokens: 128, .best) {
            noise[$0 * 64 + $1]
        }
        let query = generator.normals(64)
        let scores = context.fixture.score(head: 0, queries: query)
        for token in 0..<128 {
            let expected = zip(query, context.fixture.decodedKey(token)).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            #expect(abs(Double(scores[token]) - expected) < 2e-5 * 64)
        }
        #expect(context.keys.meter.reading.bitsPerValue == nil)
    }

    // MARK: Bad input

    @Test(arguments: ["aligned8/s7", "aligned8/s-4", "aligned8/s", "aligned8/s0/s0", "aligned8/t4-8", "aligned8/x"])
    func impossibleParametersAreRefused(name: String) {
        let error = #expect(throws: CodecError.self) { try CodecRegistry.codec(named: name) }
        #expect(error?.description.contains("-3 to 6") == true)
    }

    @Test(arguments: ["aligned8/rot", "aligned8/center"])
    func whatMixesChannelsIsRefused(name: String) throws {
        let codec = try CodecRegistry.codec(named: name)
        #expect(throws: CodecError.self) {
            try codec.keys(shape: HeadShape(kvHeads: 1, headSize: 64), instructionSet: .best)
        }
    }
}

/// A unit as the codec stores it: 8-bit codes between two fp16 numbers.
private struct PlainUnit {
    let least: Float
    let range: Float
    let codes: [Int]

    init(_ values: [Float]) {
        let stored = values.map { $0.isNaN ? 0 : min(max($0, -65504), 65504) }
        least = Self.down(stored.min()!)
        range = -Self.down(-stored.max()!) - least
        let steps = range > 0 ? 256 / range : 0
        codes = stored.map { [least] in Int(min(($0 - least) * steps, 255)) }
    }

    private static func down(_ value: Float) -> Float {
        let word = Float16(value)
        return Float(Float(word) <= value ? word : word.nextDown)
    }

    /// The value in double precision, of `bits` bits of its code.
    func read(_ lane: Int, bits: Int) -> Double {
        let open = 1 << (8 - bits)
        let place = Double(codes[lane] / open * open) + Double(open) / 2
        return Double(least) + Double(range) / 256 * place
    }

    /// What kernels add up for a value: the middle of the range, and at most half of it.
    var size: Double { abs(Double(least) + Double(range) / 2) + Double(range) / 2 }
}

/// The rule, a number at a time.
private struct PlainAligned8 {
    struct Sum {
        var value = 0.0
        var size = 0.0
    }

    private let context: SelectiveContext
    private let spare: Int
    /// Of every page, by channel.
    private let keys: [[PlainUnit]]
    private let values: [PlainUnit]
    private(set) var keyReading = CacheReading(values: [2: 0, 4: 0, 6: 0, 8: 0])
    private(set) var valueReading = CacheReading(values: [2: 0, 4: 0, 6: 0, 8: 0])

    private var size: Int { context.shape.headSize }

    init(_ context: SelectiveContext) throws {
        self.context = context
        spare = try #require(context.codec as? Aligned8Codec).spare
        let (size, width) = (context.shape.headSize, context.shape.width)
        let first = width - size
        keys = (0..<context.fixture.storedTokens / 64).map { page in
            (first..<width).map { channel in
                PlainUnit((0..<64).map { context.fixture.keyVectors[(page * 64 + $0) * width + channel] })
            }
        }
        values = (0..<context.fixture.tokens).map {
            PlainUnit(Array(context.fixture.valueVectors[$0 * width + first..<($0 + 1) * width]))
        }
    }

    /// The fewest bits whose error is no larger than the largest's with 8, and `spare` bits more.
    private func bits(share: Float) -> Int {
        [2, 4, 6].first { share * exp2(Float(8 - $0 + spare)) <= 1 } ?? 8
    }

    /// Nil for tokens of the query's own page, which are read from copies.
    mutating func scores(_ queries: [Float], groupSize: Int, position: Int) -> [Sum?] {
        var sums: [Sum?] = []
        let seen = position + queries.count / size / groupSize
        for first in stride(from: 0, to: queries.count / size, by: groupSize) {
            let pages = (position + first / groupSize) / 64
            let group = (first..<first + groupSize).map { Array(queries[$0 * size..<($0 + 1) * size]) }
            var shares = [Float](repeating: 0, count: size)
            for query in group {
                let largest =
                    (0..<pages).flatMap { page in (0..<size).map { abs(query[$0]) * keys[page][$0].range } }
                    .max() ?? 0
                let inverse = largest > 0 ? 1 / largest : 0
                for channel in 0..<size { shares[channel] = max(shares[channel], abs(query[channel]) * inverse) }
            }
            let widths = keys[..<pages].map { page in (0..<size).map { bits(share: shares[$0] * page[$0].range) } }
            for width in widths.joined() { keyReading.values[width, default: 0] += 64 }
            keyReading.estimatedBits += pages * size * 32
            for query in group {
                for token in 0..<seen {
                    guard token / 64 < pages else {
                        sums.append(nil)
                        continue
                    }
                    sums.append(
                        sum(
                            (0..<size).map {
                                let unit = keys[token / 64][$0]
                                return (
                                    Double(query[$0]), unit.read(token % 64, bits: widths[token / 64][$0]), unit.size
                                )
                            }))
                }
            }
        }
        return sums
    }

    mutating func mix(_ weights: [Float], rows: Int, groupSize: Int, position: Int) -> [Sum] {
        let tokens = context.fixture.tokens
        var sums: [Sum] = []
        for first in stride(from: 0, to: rows, by: groupSize) {
            let limit = position + first / groupSize + 1
            let group = first..<first + groupSize
            var shares = [Float](repeating: 0, count: limit)
            for row in group {
                let largest = (0..<limit).map { weights[row * tokens + $0] * values[$0].range }.max()!
                for token in 0..<limit {
                    shares[token] = max(shares[token], weights[row * tokens + token] * (1 / largest))
                }
            }
            let widths = (0..<limit).map { bits(share: shares[$0] * values[$0].range) }
            for width in widths { valueReading.values[width, default: 0] += size }
            valueReading.estimatedBits += limit * 32
            for row in group {
                for channel in 0..<size {
                    sums.append(
                        sum(
                            (0..<limit).map {
                                (
                                    Double(weights[row * tokens + $0]), values[$0].read(channel, bits: widths[$0]),
                                    values[$0].size
                                )
                            }))
                }
            }
        }
        return sums
    }

    private func sum(_ terms: [(coefficient: Double, value: Double, size: Double)]) -> Sum {
        Sum(
            value: terms.reduce(0) { $0 + $1.coefficient * $1.value },
            size: terms.reduce(0) { $0 + pow($1.coefficient * $1.size, 2) }.squareRoot())
    }
}

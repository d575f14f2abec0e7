import Foundation
import KvasirNumerics
import Testing

@testable import KvasirCodecs

/// What fused attention may differ from decode-then-attend by, relative to the root mean square.
///
/// The float codecs differ by the order of additions only, and with rotation by its rounding. The integer kernels of the
/// others round levels (to 1/127, 0.2 % of a block's range) and queries (to 1/254 of the largest of 32 channels); both are
/// below the codec's own error but for q8_0, where they are as large. A mean over few samples scatters: one may be three
/// times the rest.
private func attentionBudget(of codec: any CacheCodec) -> Double {
    // Those of coupled quantization compute in float32 on centroids as they are, and turn keys by two angles in turn.
    // Products of a query with centroids have 16 bits for the largest of all groups together: with 64 groups 0.17 % of a
    // score.
    if codec.hasLearnedBasis { return codec.name.hasSuffix("/post") ? 3e-3 : 4e-6 }
    // Planes are put together to floats, to which a value of the twin is rounded in another place.
    if codec.name.hasPrefix("qaq") { return 4e-6 }
    // Coefficients have 16 bits for the largest of 64, and are multiplied with half of the range of what is stored.
    if codec.name.hasPrefix("aligned8") { return 5e-5 }
    guard isDense(codec) || codec.name.hasPrefix("aligned") else { return 1e-2 }
    return codec.name.hasSuffix("/rot") ? 4e-6 : 2e-6
}

/// What normally distributed values may differ from their encoded form by: the mean square error over their mean square.
///
/// By the codec's name without rotation, type of scale and residual, for heads of 128 values.
private let codingBudget: [String: Double] = [
    "f32": 0, "f16": 9e-8, "bf16": 3e-6,
    "aligned/t4-8": 9e-8, "aligned/t2-6": 9e-8, "aligned/code": 9e-8, "aligned/t4-8/addends": 9e-8,
    "aligned8/s0": 4e-5, "aligned8/s1": 4e-5, "aligned8/s-1": 4e-5,
    "q8_0": 3e-5, "q5_1": 0.0016, "q5_0": 0.0019, "q4_1": 0.0062, "q4_0": 0.0075, "iq4_nl": 0.0065,
    "nf4/b256": 0.0099, "nf4/b128": 0.0093, "nf4/b64": 0.0086, "nf4/b32": 0.0077, "nf4/head": 0.0093,
    "nf3/b256": 0.0505, "nf3/b128": 0.0445, "nf3/b64": 0.0394, "nf3/b32": 0.034, "nf3/head": 0.0445,
    "nf2/b256": 0.41, "nf2/b128": 0.37, "nf2/b64": 0.32, "nf2/b32": 0.27, "nf2/head": 0.37,
    // Lloyd-Max: the table's D is that of the best scale; that of unshrunk dot products has D / (1 - D).
    "lm4/b256": 0.0095, "lm4/b128": 0.0094, "lm4/b64": 0.0092, "lm4/b32": 0.0088, "lm4/head": 0.0094,
    "lm3/b256": 0.0357, "lm3/b128": 0.0353, "lm3/b64": 0.0344, "lm3/b32": 0.0327, "lm3/head": 0.0353,
    "lm2/b256": 0.133, "lm2/b128": 0.132, "lm2/b64": 0.13, "lm2/b32": 0.124, "lm2/head": 0.132,
    "lm1/b256": 0.572, "lm1/b128": 0.57, "lm1/b64": 0.565, "lm1/b32": 0.55, "lm1/head": 0.57,
    // Codebooks of samples that nobody fitted: up to 2.2 times (for two channels) what learned ones have.
    "cq-2c8b": 0.0205, "cq-4c8b": 0.16, "cq-8c8b": 0.56, "cq-8c10b": 0.42,
    // The mean square of the range of 32 (64) normal values is 17.6 (22.7): over steps squared, a twelfth of it.
    "kivi4/g32": 0.0067, "kivi4/g64": 0.0086, "kivi2/g32": 0.17, "kivi2/g64": 0.22,
]

/// The same for `qaq` as tokens are stored: the mean square of the range of 128 normal values is 27, over cells squared, a
/// twelfth of it; where the range is of 512 it is 37, unless a few of
/// them are kept apart.
private func adaptiveBudget(_ name: String) -> Double? {
    guard let match = name.firstMatch(of: /^qaq\/min\d\/max(\d)\//), let bits = Double(match.1) else { return nil }
    return (name.contains("/o0/") ? 3.2 : 2.4) * exp2(-2 * bits)
}

/// Every member of every family, then one of each with rotation if it takes that.
private let members: [any CacheCodec] =
    CodecRegistry.families.flatMap(\.members)
    + CodecRegistry.families.compactMap(\.members.first).filter { $0.transformRefusal == nil }.map(RotatedCodec.init)

/// One member of each family, plain and rotated: they cover every width and every kind of block.
private let representatives = members.indices.filter { index in
    members[index] is RotatedCodec || members[index].name == "cq-8c10b/post"
        || CodecRegistry.families.contains { $0.members.first?.name == members[index].name }
}

private func isDense(_ codec: any CacheCodec) -> Bool {
    ["f32", "f16", "bf16"].contains(String(codec.name.prefix { $0 != "/" }))
}

/// Whether the codec stores magnitudes near the largest float, so that sums of them leave its range.
private func hasWideRange(_ codec: any CacheCodec) -> Bool {
    codec.name.hasPrefix("f32") || codec.name.hasPrefix("bf16") || codec.name.contains("s32")
}

@Suite struct CodecConformanceTests {
    static let headSizes = [32, 64, 80, 96, 112, 128, 256]
    static let lengths = [0, 1, 63, 64, 65, 200]

    /// What a member is tried with: all head sizes for representatives and three for others; KV heads, lengths and rows
    /// (a group of 1 to 16 query heads times query tokens) take turns, so that the members together see all of them.
    private static func cases(of member: Int) -> [(shape: HeadShape, tokens: Int, rows: Int)] {
        let all = representatives.contains(member)
        let sizes = all ? headSizes : (0..<3).map { headSizes[(member + 3 * $0) % headSizes.count] }
        return sizes.enumerated().flatMap { index, size in
            (0..<(all ? 3 : 2)).map { turn in
                let number = 5 * member + 7 * index + turn
                return (
                    HeadShape(kvHeads: 1 + (member + 3 * index + turn) % 8, headSize: size),
                    lengths[(number + 2 * turn) % lengths.count], [1, 3, 9, 16, 37][number % 5]
                )
            }
        }
    }

    @Test(arguments: members.indices, InstructionSet.supported)
    func fusedAttentionEqualsDecodeThenAttend(member: Int, instructionSet: InstructionSet) throws {
        let codec = members[member]
        let allowed = attentionBudget(of: codec)
        var generator = PlainGenerator(seed: 7)
        for (shape, tokens, rows) in Self.cases(of: member) {
            let fixture = try CodecFixture(codec: codec, shape: shape, tokens: tokens, instructionSet: instructionSet)
            let head = shape.kvHeads - 1
            let queries = generator.normals(rows * shape.headSize)
            let twin = PlainAttention(fixture, head: head, rows: rows)
            let (scores, scoreSizes) = twin.score(queries)
            let scoreError = relativeError(fixture.score(head: head, queries: queries), scores, sizes: scoreSizes)
            let scatter = 1 + 2 / Double(max(scores.count, 1)).squareRoot()
            #expect(scoreError <= allowed * scatter, "\(codec.name) \(shape) \(tokens) \(rows)")
            let weights = scores.map { Float(0.01 + $0 * $0) }
            let (mixed, mixedSizes) = twin.mix(weights)
            let mixError = relativeError(
                fixture.mix(head: head, weights: weights, rows: rows), mixed, sizes: mixedSizes)
            #expect(mixError <= allowed, "\(codec.name) \(shape) \(tokens) \(rows)")
        }
    }

    @Test(arguments: representatives, InstructionSet.supported)
    func aRowDoesNotDependOnItsNeighboursNorOnTheCut(member: Int, instructionSet: InstructionSet) throws {
        let shape = HeadShape(kvHeads: 3, headSize: 64)
        let tokens = 150
        let fixture = try CodecFixture(
            codec: members[member], shape: shape, tokens: tokens, instructionSet: instructionSet)
        var generator = PlainGenerator(seed: 11)
        let rows = 41
        let queries = generator.normals(rows * shape.headSize)
        let together = fixture.score(head: 1, queries: queries)
        let weights = together.map { abs($0) }
        let mixed = fixture.mix(head: 1, weights: weights, rows: rows)
        for row in stride(from: 0, to: rows, by: 8) {
            let query = Array(queries[row * shape.headSize..<(row + 1) * shape.headSize])
            let alone = fixture.score(head: 1, queries: query)
            #expect(alone == Array(together[row * tokens..<(row + 1) * tokens]))
            let later = fixture.score(head: 1, queries: query, firstPage: 2)
            #expect(later == Array(alone[128...]))
            let weight = Array(weights[row * tokens..<(row + 1) * tokens])
            #expect(
                fixture.mix(head: 1, weights: weight, rows: 1)
                    == Array(mixed[row * shape.headSize..<(row + 1) * shape.headSize]))
        }
    }

    @Test(arguments: members.indices)
    func codingErrorIsWithinTheBudget(member: Int) throws {
        let codec = members[member]
        let shape = HeadShape(kvHeads: 4, headSize: 128)
        let fixture = try CodecFixture(codec: codec, shape: shape, tokens: 128, instructionSet: .best)
        let plain = codec.name.replacing("/rot", with: "").replacing("/post", with: "").replacing("/s32", with: "")
            .replacing(/\/r\d+/, with: "")
        // Rotation itself rounds.
        let allowed = max(
            try #require(codingBudget[plain] ?? adaptiveBudget(plain), "a codec has an error budget"),
            codec is RotatedCodec ? 1e-13 : 0)
        let keys = (0..<128).flatMap(fixture.decodedKey)
        let values = (0..<128).flatMap(fixture.decodedValue)
        let (keyError, valueError) = (
            relativeError(keys, fixture.keyVectors), relativeError(values, fixture.valueVectors)
        )
        #expect(keyError * keyError <= allowed, "\(codec.name)")
        #expect(valueError * valueError <= allowed, "\(codec.name)")
    }

    @Test(arguments: members.indices, InstructionSet.supported)
    func everyInstructionSetAndEveryOrderGiveTheSameBytes(member: Int, instructionSet: InstructionSet) throws {
        let size = Self.headSizes[member % Self.headSizes.count]
        let shape = HeadShape(kvHeads: 1 + member % 5, headSize: size)
        func pages(_ instructionSet: InstructionSet, step: Int) throws -> [[UInt8]] {
            let fixture = try CodecFixture(
                codec: members[member], shape: shape, tokens: 70, instructionSet: instructionSet, step: step
            ) { $0.normalsWithOutliers($1) }
            return [fixture.bytes(ofPage: 0), fixture.bytes(ofPage: 1)]
        }
        let expected = try pages(.generic, step: 1)
        #expect(try pages(instructionSet, step: 11) == expected, "\(members[member].name)")
    }

    @Test(arguments: members.indices)
    func thePartIsAsLargeAsItSays(member: Int) throws {
        let codec = members[member]
        let shape = HeadShape(kvHeads: 3, headSize: Self.headSizes[member % Self.headSizes.count])
        let parts: [any PageCodec] = [
            try codec.keys(of: CodecFixture.layer(of: codec, shape, .best)),
            try codec.values(of: CodecFixture.layer(of: codec, shape, .best)),
        ]
        (parts[0] as? any KeyCodec)?.reserve(positions: PageGeometry.tokens)
        for part in parts {
            let guarded = 256
            let memory = AlignedBuffer<UInt8>(zeroed: part.storage.bytes + guarded)
            var generator = PlainGenerator(seed: 21)
            for round in 0..<2 {
                for slot in stride(from: 0, to: PageGeometry.tokens, by: part.groupTokens) {
                    let vectors = generator.normals(part.groupTokens * shape.width).map { round == 0 ? $0 : -$0 }
                    vectors.withUnsafeBufferPointer {
                        part.store($0.baseAddress!, position: slot, into: UnsafeMutableRawPointer(memory.pointer))
                    }
                }
                let last = memory.pointer + part.storage.bytes - 4
                #expect((0..<4).contains { last[$0] != 0 }, "\(codec.name) uses all of its bytes")
            }
            #expect((0..<guarded).allSatisfy { memory[part.storage.bytes + $0] == 0 }, "\(codec.name)")
        }
    }

    @Test(arguments: members.indices)
    func encodingIsIdempotent(member: Int) throws {
        let codec = members[member]
        // The middles of the outermost cells are the ends of another range, whose cells are others.
        if adaptiveBudget(codec.name) != nil || codec.name.hasPrefix("aligned8") { return }
        let shape = HeadShape(kvHeads: 2, headSize: 80)
        let first = try CodecFixture(codec: codec, shape: shape, tokens: 70, instructionSet: .generic) {
            $0.normalsWithOutliers($1)
        }
        func decoded(_ fixture: CodecFixture) -> [[Float]] {
            let tokens = 0..<fixture.storedTokens
            return [tokens.flatMap(fixture.decodedKey), tokens.flatMap(fixture.decodedValue)]
        }
        let once = decoded(first)
        var inputs = once[...]
        let second = try CodecFixture(codec: codec, shape: shape, tokens: 70, instructionSet: .generic) { _, _ in
            inputs.removeFirst()
        }
        // Exact but where turning back and forth rounds, and where a fitted 32-bit scale does: then within a rounding of
        // the scale.
        let allowed = codec is RotatedCodec ? 2e-3 : codec.name.hasPrefix("lm") && codec.name.contains("s32") ? 1e-6 : 0
        for (again, before) in zip(decoded(second), once) {
            #expect(relativeError(again, before) <= allowed, "\(codec.name)")
        }
    }

    @Test(arguments: members.indices)
    func tokensStoredLaterLeaveEarlierOnesAlone(member: Int) throws {
        let shape = HeadShape(kvHeads: 3, headSize: 32)
        let codec = try members[member].values(of: CodecFixture.layer(of: members[member], shape, .generic))
        let part = AlignedBuffer<UInt8>(zeroed: codec.storage.bytes)
        let memory = UnsafeMutableRawPointer(part.pointer)
        var generator = PlainGenerator(seed: 3)
        let vectors = (0..<PageGeometry.tokens).map { _ in generator.normals(shape.width) }
        func decoded(_ slot: Int) -> [Float] {
            [Float](unsafeUninitializedCapacity: shape.width) { buffer, count in
                codec.decode(position: slot, of: memory, into: buffer.baseAddress!)
                count = shape.width
            }
        }
        var expected: [[Float]] = []
        for (slot, vector) in vectors.enumerated() {
            vector.withUnsafeBufferPointer { codec.encode($0.baseAddress!, position: slot, into: memory) }
            expected.append(decoded(slot))
            #expect((0...slot).allSatisfy { decoded($0) == expected[$0] })
        }
        // A slot may be written again, as after a sequence was cut back.
        vectors[9].withUnsafeBufferPointer { codec.encode($0.baseAddress!, position: 3, into: memory) }
        #expect(decoded(3) == expected[9])
        #expect(decoded(7) == expected[7])
    }

    @Test(arguments: members.indices, InstructionSet.supported)
    func extremeInputsStayFinite(member: Int, instructionSet: InstructionSet) throws {
        let shape = HeadShape(kvHeads: 2, headSize: 64)
        let codec = members[member]
        let patterns: [[Float]] = [
            [0], [1], [-3], [3.0e38], [1.0e-42], [.nan, 1], [.infinity, 1, -.infinity], [65504, 1e-8],
        ]
        for pattern in patterns {
            let isLarge = pattern.contains { !($0.magnitude < 1e30) }
            // The float codecs keep NaN, and where they are rotated make one of values that overflow.
            if isDense(codec), pattern.contains(where: \.isNaN) || codec is RotatedCodec && isLarge { continue }
            if codec.name == "f32", pattern.contains(where: \.isInfinite) { continue }
            let fixture = try CodecFixture(
                codec: codec, shape: shape, tokens: 65, instructionSet: instructionSet
            ) { _, count in (0..<count).map { pattern[$0 % pattern.count] } }
            #expect(fixture.decodedKey(64).allSatisfy { $0.isFinite }, "\(codec.name) \(pattern)")
            #expect(fixture.decodedValue(64).allSatisfy { $0.isFinite }, "\(codec.name) \(pattern)")
            if hasWideRange(codec), isLarge { continue }  // their sums leave the range of a float
            let query = [Float](repeating: 0.5, count: shape.headSize)
            #expect(fixture.score(head: 1, queries: query).allSatisfy { $0.isFinite }, "\(codec.name) \(pattern)")
            let weights = [Float](repeating: 1.0 / 65, count: 65)
            #expect(
                fixture.mix(head: 1, weights: weights, rows: 1).allSatisfy { $0.isFinite }, "\(codec.name) \(pattern)")
        }
    }

    @Test(arguments: members.indices)
    func zerosAreExactAndConstantsNearlySo(member: Int) throws {
        let shape = HeadShape(kvHeads: 2, headSize: 64)
        for value: Float in [0, 1, -3, 0.1] {
            let fixture = try CodecFixture(
                codec: members[member], shape: shape, tokens: 1, instructionSet: .best
            ) { _, count in [Float](repeating: value, count: count) }
            // Centroids are where they were learned.
            if members[member].hasLearnedBasis { continue }
            // A rotated constant is one large value per head: the hardest block there is, but for zeros.
            if members[member] is RotatedCodec, value != 0 { continue }
            #expect(
                (fixture.decodedKey(0) + fixture.decodedValue(0)).allSatisfy {
                    abs($0 - value) <= abs(value) * (members[member].name == "bf16" ? 0x1p-8 : 0x1p-10)
                }, "\(members[member].name) \(value)")
        }
    }

    @Test(arguments: members.indices)
    func notANumberIsStoredAsZeroAndInfinityAsTheLargest(member: Int) throws {
        let codec = members[member]
        guard !isDense(codec), !(codec is RotatedCodec) else { return }
        let shape = HeadShape(kvHeads: 2, headSize: 96)
        func bytes(_ special: [Float]) throws -> [UInt8] {
            try CodecFixture(codec: codec, shape: shape, tokens: 3, instructionSet: .best) { generator, count in
                generator.normals(count).enumerated().map { $0.offset % 37 < 2 ? special[$0.offset % 37] : $0.element }
            }.bytes(ofPage: 0)
        }
        #expect(try bytes([.nan, -.nan]) == bytes([0, 0]))
        let largest = Float.greatestFiniteMagnitude
        #expect(try bytes([.infinity, -.infinity]) == bytes([largest, -largest]))
    }
}

/// Attention on decoded tokens, in double precision; each result comes with the size of a sum of its terms had they
/// random signs, which is what rounding errors are relative to (the sum itself may cancel).
struct PlainAttention {
    let keys: [[Float]]
    let values: [[Float]]
    let size: Int
    let rows: Int

    init(_ fixture: CodecFixture, head: Int, rows: Int) {
        let size = fixture.shape.headSize
        self.size = size
        self.rows = rows
        keys = (0..<fixture.tokens).map { Array(fixture.decodedKey($0)[head * size..<(head + 1) * size]) }
        values = (0..<fixture.tokens).map { Array(fixture.decodedValue($0)[head * size..<(head + 1) * size]) }
    }

    func score(_ queries: [Float]) -> (sums: [Double], sizes: [Double]) {
        var sums: [Double] = []
        var sizes: [Double] = []
        for row in 0..<rows {
            let query = queries[row * size..<(row + 1) * size].map(Double.init)
            let length = query.reduce(0) { $0 + $1 * $1 }
            for key in keys {
                sums.append(zip(query, key).reduce(0) { $0 + $1.0 * Double($1.1) })
                sizes.append((length * key.reduce(0) { $0 + Double($1 * $1) } / Double(size)).squareRoot())
            }
        }
        return (sums, sizes)
    }

    func mix(_ weights: [Float]) -> (sums: [Double], sizes: [Double]) {
        var sums: [Double] = []
        var sizes: [Double] = []
        for row in 0..<rows {
            for channel in 0..<size {
                let terms = values.indices.map { token in
                    Double(weights[row * values.count + token]) * Double(values[token][channel])
                }
                sums.append(terms.reduce(0, +))
                sizes.append(terms.reduce(0) { $0 + $1 * $1 }.squareRoot())
            }
        }
        return (sums, sizes)
    }
}

import KvasirCodecs
import KvasirNumerics
import Testing

/// What fused attention may differ from decode-then-attend by, relative to the root mean square.
///
/// The float codecs differ by the order of additions only. The integer kernels of the codebooks round levels (to 1/127,
/// 0.2 % of a block's range) and queries (to 1/254 of the largest of 32 channels); both are an order of magnitude below
/// the codec's own error, which is about 10 %. A mean over few samples scatters: one may be three times the rest.
private let attentionBudget: [String: Double] = ["f32": 2e-6, "f16": 2e-6, "nf4": 1e-2]

/// What a normally distributed value may differ from its encoded form by: nqkv.md's table of mean square errors.
private let codingBudget: [String: Double] = [
    "f32": 0, "f16": 3e-4, "nf4/b256": 0.100, "nf4/b128": 0.097, "nf4/b64": 0.093, "nf4/b32": 0.088,
]

private let members = CodecRegistry.families.flatMap(\.members)

private func budget(of codec: any CacheCodec, in table: [String: Double]) throws -> Double {
    try #require(table[codec.name] ?? table[String(codec.name.prefix { $0 != "/" })], "a codec has an error budget")
}

@Suite struct CodecConformanceTests {
    static let shapes = [
        HeadShape(kvHeads: 1, headSize: 32), HeadShape(kvHeads: 3, headSize: 64), HeadShape(kvHeads: 2, headSize: 80),
        HeadShape(kvHeads: 5, headSize: 96), HeadShape(kvHeads: 1, headSize: 112), HeadShape(kvHeads: 8, headSize: 128),
        HeadShape(kvHeads: 1, headSize: 256), HeadShape(kvHeads: 7, headSize: 16),
    ]
    static let lengths = [1, 63, 64, 65, 200]

    @Test(arguments: members.indices, InstructionSet.supported)
    func fusedAttentionEqualsDecodeThenAttend(member: Int, instructionSet: InstructionSet) throws {
        let codec = members[member]
        let allowed = try budget(of: codec, in: attentionBudget)
        for shape in Self.shapes {
            for tokens in Self.lengths {
                let fixture = try CodecFixture(
                    codec: codec, shape: shape, tokens: tokens, instructionSet: instructionSet)
                var generator = PlainGenerator(seed: 7)
                for rows in [1, 3, 16, 37] {
                    let head = shape.kvHeads - 1
                    let queries = generator.normals(rows * shape.headSize)
                    let twin = PlainAttention(fixture, head: head, rows: rows)
                    let (scores, scoreSizes) = twin.score(queries)
                    let fused = fixture.score(head: head, queries: queries)
                    let scoreError = relativeError(fused, scores, sizes: scoreSizes)
                    let scatter = 1 + 2 / Double(scores.count).squareRoot()
                    #expect(scoreError <= allowed * scatter, "\(codec.name) \(shape) \(tokens) \(rows)")
                    let weights = scores.map { Float(0.01 + $0 * $0) }
                    let (mixed, mixedSizes) = twin.mix(weights)
                    let mixError = relativeError(
                        fixture.mix(head: head, weights: weights), mixed, sizes: mixedSizes)
                    #expect(mixError <= allowed, "\(codec.name) \(shape) \(tokens) \(rows)")
                }
            }
        }
    }

    @Test(arguments: members.indices, InstructionSet.supported)
    func aRowDoesNotDependOnItsNeighboursNorOnTheCut(member: Int, instructionSet: InstructionSet) throws {
        let shape = HeadShape(kvHeads: 3, headSize: 64)
        let fixture = try CodecFixture(
            codec: members[member], shape: shape, tokens: 300, instructionSet: instructionSet)
        var generator = PlainGenerator(seed: 11)
        let rows = 41
        let queries = generator.normals(rows * shape.headSize)
        let together = fixture.score(head: 1, queries: queries)
        let weights = together.map { abs($0) }
        let mixed = fixture.mix(head: 1, weights: weights)
        for row in 0..<rows {
            let query = Array(queries[row * shape.headSize..<(row + 1) * shape.headSize])
            let alone = fixture.score(head: 1, queries: query)
            #expect(alone == Array(together[row * 300..<(row + 1) * 300]))
            let later = fixture.score(head: 1, queries: query, firstPage: 2)
            #expect(later == Array(alone[128...]))
            let weight = Array(weights[row * 300..<(row + 1) * 300])
            #expect(
                fixture.mix(head: 1, weights: weight)
                    == Array(mixed[row * shape.headSize..<(row + 1) * shape.headSize]))
        }
    }

    @Test(arguments: members.indices)
    func codingErrorIsWithinTheBudget(member: Int) throws {
        let codec = members[member]
        let shape = HeadShape(kvHeads: 4, headSize: 128)
        let fixture = try CodecFixture(codec: codec, shape: shape, tokens: 128, instructionSet: .generic)
        let allowed = try budget(of: codec, in: codingBudget)
        let keys = (0..<128).flatMap(fixture.decodedKey)
        let values = (0..<128).flatMap(fixture.decodedValue)
        #expect(relativeError(keys, fixture.keyVectors) <= allowed)
        #expect(relativeError(values, fixture.valueVectors) <= allowed)
    }

    @Test(arguments: members.indices)
    func encodingIsIdempotent(member: Int) throws {
        let shape = HeadShape(kvHeads: 2, headSize: 80)
        let first = try CodecFixture(codec: members[member], shape: shape, tokens: 70, instructionSet: .generic)
        let decoded = (0..<70).flatMap(first.decodedKey)
        let second = try CodecFixture(codec: members[member], shape: shape, tokens: 70, instructionSet: .generic) {
            _, _ in decoded
        }
        #expect((0..<70).flatMap(second.decodedKey) == decoded)
        #expect((0..<70).flatMap(second.decodedValue) == decoded)
    }

    @Test(arguments: members.indices)
    func tokensStoredLaterLeaveEarlierOnesAlone(member: Int) throws {
        let shape = HeadShape(kvHeads: 3, headSize: 32)
        let codec = try members[member].values(shape: shape, instructionSet: .generic)
        let part = AlignedBuffer<UInt8>(zeroed: codec.storage.bytes)
        let memory = UnsafeMutableRawPointer(part.pointer)
        var generator = PlainGenerator(seed: 3)
        let vectors = (0..<PageGeometry.tokens).map { _ in generator.normals(shape.width) }
        func decoded(_ slot: Int) -> [Float] {
            [Float](unsafeUninitializedCapacity: shape.width) { buffer, count in
                codec.decode(slot: slot, of: memory, into: buffer.baseAddress!)
                count = shape.width
            }
        }
        var expected: [[Float]] = []
        for (slot, vector) in vectors.enumerated() {
            vector.withUnsafeBufferPointer { codec.encode($0.baseAddress!, slot: slot, into: memory) }
            expected.append(decoded(slot))
            #expect((0...slot).allSatisfy { decoded($0) == expected[$0] })
        }
        // A slot may be written again, as after a sequence was cut back.
        vectors[9].withUnsafeBufferPointer { codec.encode($0.baseAddress!, slot: 3, into: memory) }
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
        for pattern in patterns where codec.name != "f32" || pattern.allSatisfy(\.isFinite) {
            let fixture = try CodecFixture(
                codec: codec, shape: shape, tokens: 65, instructionSet: instructionSet
            ) { _, count in (0..<count).map { pattern[$0 % pattern.count] } }
            let decoded = fixture.decodedKey(64)
            // The float codecs keep NaN; the others store zero in its place.
            if codec.name.hasPrefix("f"), pattern.contains(where: \.isNaN) { continue }
            #expect(decoded.allSatisfy { $0.isFinite }, "\(codec.name) \(pattern)")
            guard codec.name != "f32" else { continue }
            let query = [Float](repeating: 0.5, count: shape.headSize)
            #expect(fixture.score(head: 1, queries: query).allSatisfy { $0.isFinite }, "\(codec.name) \(pattern)")
            let weights = [Float](repeating: 1.0 / 65, count: 65)
            #expect(fixture.mix(head: 1, weights: weights).allSatisfy { $0.isFinite }, "\(codec.name) \(pattern)")
        }
    }
}

/// Attention on decoded tokens, in double precision; each result comes with the size of a sum of its terms had they
/// random signs, which is what rounding errors are relative to (the sum itself may cancel).
private struct PlainAttention {
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

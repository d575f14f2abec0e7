import Foundation
import KvasirNumerics
import Testing

@testable import KvasirCodecs

/// Coupled quantization: the vectors of the reference, and what codebooks of any scheme are held to.
@Suite struct CoupledTests {
    /// Channels, bits and head size: every width of a centroid, and codes that end within a byte.
    static let schemes: [(scheme: String, headSize: Int)] = [
        ("1c4b", 64), ("1c8b", 80), ("2c5b", 64), ("2c8b", 128), ("3c7b", 96), ("4c6b", 64), ("4c8b", 80),
        ("4c11b", 64),
        ("5c9b", 80), ("8c8b", 64), ("8c10b", 96), ("12c9b", 96), ("16c8b", 64), ("16c12b", 128),
    ]

    private static func halves(_ values: [Float]) -> [UInt16] { values.map { Float16($0).bitPattern } }

    /// Sixteen centroids of two channels, the first four those of the reference, the others far away.
    private static func table(kvHeads: Int = 1, headSize: Int = 2) throws -> LayerContext {
        let scheme = try CoupledScheme(parsing: "2c4b")
        var values: [Float] = [0, 0, 1, 1, -1, 1, 0.5, -2]
        for index in 4..<16 { values += [Float(100 * index), 1000] }
        let books = try Codebooks(
            scheme: scheme, shape: HeadShape(kvHeads: kvHeads, headSize: headSize),
            centroids: halves([[Float]](repeating: values, count: kvHeads * headSize / 2).flatMap { $0 }))
        return LayerContext(
            shape: books.shape, instructionSet: .best,
            codebooks: [.coupled(scheme, .beforeRotary): LayerCodebooks(keys: books, values: books)])
    }

    private static func decoded(_ codec: any PageCodec, _ vector: [Float], position: Int = 0) -> [Float] {
        (codec as? any KeyCodec)?.reserve(positions: position + 1)
        let memory = AlignedBuffer<UInt8>(zeroed: codec.storage.bytes)
        let part = UnsafeMutableRawPointer(memory.pointer)
        vector.withUnsafeBufferPointer { codec.encode($0.baseAddress!, position: position, into: part) }
        return [Float](unsafeUninitializedCapacity: vector.count) { buffer, count in
            codec.decode(position: position, of: part, into: buffer.baseAddress!)
            count = vector.count
        }
    }

    @Test(arguments: InstructionSet.supported)
    func theNearestCentroidIsStoredAndTheLowestOfEquals(instructionSet: InstructionSet) throws {
        let table = try Self.table()
        let layer = LayerContext(shape: table.shape, instructionSet: instructionSet, codebooks: table.codebooks)
        let values = try CodecRegistry.codec(named: "cq-2c4b").values(of: layer)
        #expect(Self.decoded(values, [0.9, 0.8]) == [1, 1])
        #expect(Self.decoded(values, [0.5, 0.5]) == [0, 0])
    }

    @Test func codesAreALittleEndianBitStream() throws {
        // One channel of 1,024 levels, the integers: the value is its code.
        let scheme = try CoupledScheme(parsing: "1c10b")
        let books = try Codebooks(
            scheme: scheme, shape: HeadShape(kvHeads: 1, headSize: 1),
            centroids: Self.halves((0..<1024).map(Float.init)))
        let layer = LayerContext(
            shape: books.shape, instructionSet: .best,
            codebooks: [.coupled(scheme, .beforeRotary): LayerCodebooks(keys: books, values: books)])
        let values = try CodecRegistry.codec(named: "cq-1c10b").values(of: layer)
        let memory = AlignedBuffer<UInt8>(zeroed: values.storage.bytes)
        for (slot, code) in [1023, 0, 512, 1].enumerated() {
            let vector = [Float(code)]
            vector.withUnsafeBufferPointer {
                values.encode($0.baseAddress!, position: slot, into: UnsafeMutableRawPointer(memory.pointer))
            }
        }
        #expect((0..<5).map { memory[$0] } == [0xFF, 0x03, 0x00, 0x60, 0x00])
    }

    @Test(arguments: InstructionSet.supported)
    func weightsOfEqualCodesAddUp(instructionSet: InstructionSet) throws {
        let table = try Self.table()
        let layer = LayerContext(shape: table.shape, instructionSet: instructionSet, codebooks: table.codebooks)
        let values = try CodecRegistry.codec(named: "cq-2c4b").values(of: layer)
        let memory = AlignedBuffer<UInt8>(zeroed: values.storage.bytes)
        for (slot, vector) in [[-1, 1], [0, 0], [-1, 1], [1, 1] as [Float]].enumerated() {
            vector.withUnsafeBufferPointer {
                values.encode($0.baseAddress!, position: slot, into: UnsafeMutableRawPointer(memory.pointer))
            }
        }
        let pages = [UnsafeRawPointer(memory.pointer)]
        let weights: [Float] = [0.1, 0.2, 0.3, 0.4] + [Float](repeating: 0, count: 60)
        var out: [Float] = [0, 0]
        pages.withUnsafeBufferPointer { pages in
            out.withUnsafeMutableBufferPointer { out in
                values.mix(
                    TokenRun(pages: pages.baseAddress!, offset: 0, position: 0, tokens: 4), head: 0, weights: weights,
                    rows: 1, stride: 64, into: out.baseAddress!)
            }
        }
        #expect(abs(out[0]) < 1e-6 && abs(out[1] - 0.8) < 1e-6)
    }

    @Test func sizesAreThoseOfTheCodesAlone() throws {
        let shape = HeadShape(kvHeads: 8, headSize: 128)
        for (name, bytes, bits) in [
            ("cq-8c8b", 128, 1.0), ("cq-8c10b", 160, 1.25), ("cq-4c8b", 256, 2), ("cq-2c8b", 512, 4),
        ] {
            let codec = try CodecRegistry.codec(named: name)
            let layer = try LayerContext.uncalibrated(for: codec, shape: shape, instructionSet: .best, seed: nil)
            for part in [try codec.keys(of: layer), try codec.values(of: layer)] as [any PageCodec] {
                #expect(part.storage.bytes == PageGeometry.tokens * bytes)
                #expect(part.storage.bitsPerValue(width: shape.width) == bits)
                #expect(part.sharedTables.map(\.purpose) == [.codebooks])
            }
        }
    }

    @Test(arguments: schemes.indices, InstructionSet.supported)
    func everySchemeEqualsDecodeThenAttend(index: Int, instructionSet: InstructionSet) throws {
        let (name, headSize) = Self.schemes[index]
        let shape = HeadShape(kvHeads: 1 + index % 3, headSize: headSize)
        var generator = PlainGenerator(seed: 9)
        for suffix in ["", "/post"] {
            let codec = try CodecRegistry.codec(named: "cq-\(name)\(suffix)")
            for (tokens, rows) in [(70, 3), (64, 1), (200, 17)] {
                let fixture = try CodecFixture(
                    codec: codec, shape: shape, tokens: tokens, instructionSet: instructionSet)
                let head = shape.kvHeads - 1
                let queries = generator.normals(rows * headSize)
                let twin = PlainAttention(fixture, head: head, rows: rows)
                let (scores, scoreSizes) = twin.score(queries)
                let scoreError = relativeError(fixture.score(head: head, queries: queries), scores, sizes: scoreSizes)
                #expect(scoreError < (suffix.isEmpty ? 4e-6 : 5e-3), "\(codec.name) \(tokens) \(rows)")
                let weights = scores.map { Float($0 * $0) }
                let (mixed, mixedSizes) = twin.mix(weights)
                let mixError = relativeError(
                    fixture.mix(head: head, weights: weights, rows: rows), mixed, sizes: mixedSizes)
                #expect(mixError < 4e-6, "\(codec.name) \(tokens) \(rows)")
            }
        }
    }

    @Test(arguments: schemes.indices, InstructionSet.supported)
    func everySchemeStoresTheNearest(index: Int, instructionSet: InstructionSet) throws {
        let (name, headSize) = Self.schemes[index]
        let shape = HeadShape(kvHeads: 2, headSize: headSize)
        let codec = try CodecRegistry.codec(named: "cq-\(name)")
        let layer = try LayerContext.uncalibrated(for: codec, shape: shape, instructionSet: instructionSet, seed: 7)
        let books = try #require(layer.codebooks.values.first).values
        let scheme = books.scheme
        var generator = PlainGenerator(seed: 2)
        let vector = generator.normals(shape.width)
        let decoded = Self.decoded(try codec.values(of: layer), vector)
        func distance(_ group: Int, _ other: (Int) -> Double) -> Double {
            (0..<scheme.channels).reduce(0) {
                let difference = Double(vector[group * scheme.channels + $1]) - other($1)
                return $0 + difference * difference
            }
        }
        for group in 0..<shape.width / scheme.channels {
            let stored = distance(group) { Double(decoded[group * scheme.channels + $0]) }
            let nearest =
                (0..<scheme.centroids).map { centroid in
                    distance(group) { channel in
                        let index = (group * scheme.centroids + centroid) * scheme.channels + channel
                        return Double(Float16(bitPattern: books.centroids[index]))
                    }
                }.min() ?? 0
            // Float32 may not tell two of nearly the same distance.
            #expect(stored <= nearest + 1e-5, "\(name) group \(group)")
        }
    }

    @Test(arguments: [ChannelOrder.interleaved, .halves], [(64, 32), (64, 20), (80, 40)])
    func keysAreCodedAsTheyWereBeforeRotary(order: ChannelOrder, size: (head: Int, pairs: Int)) throws {
        let shape = HeadShape(kvHeads: 2, headSize: size.head)
        let rotary = RotaryEmbedding(
            frequencies: (0..<size.pairs).map { pow(10_000, -Double($0) / Double(size.pairs)) }, order: order)
        let codec = try CodecRegistry.codec(named: "cq-4c8b")
        let layer = try LayerContext.uncalibrated(
            for: codec, shape: shape, instructionSet: .best, rotary: rotary, seed: 1)
        let plain = try LayerContext.uncalibrated(for: codec, shape: shape, instructionSet: .best, seed: 1)
        let (turned, unturned) = (try codec.keys(of: layer), try codec.keys(of: plain))
        var generator = PlainGenerator(seed: 4)
        let before = generator.normals(shape.width)
        func turn(_ key: [Float], _ position: Int) -> [Float] {
            var key = key.map(Double.init)
            for head in stride(from: 0, to: shape.width, by: shape.headSize) {
                for pair in 0..<size.pairs {
                    let (first, second) = rotary.channels(ofPair: pair)
                    let angle = rotary.frequencies[pair] * Double(position)
                    let (a, b) = (key[head + first], key[head + second])
                    key[head + first] = a * cos(angle) - b * sin(angle)
                    key[head + second] = a * sin(angle) + b * cos(angle)
                }
            }
            return key.map(Float.init)
        }
        for position in [0, 1, 63, 64, 1000, 8191] {
            let expected = turn(Self.decoded(unturned, before), position)
            #expect(relativeError(Self.decoded(turned, turn(before, position), position: position), expected) < 1e-6)
        }
    }

    @Test func namesAndRefusals() throws {
        #expect(try CodecRegistry.codec(named: "CQ-4C8B/POST").name == "cq-4c8b/post")
        #expect(try CodecRegistry.codec(named: "cq-3c7b").name == "cq-3c7b")
        #expect(
            try CodecRegistry.codec(named: "cq-4c8b/post").calibrations
                == [.coupled(CoupledScheme(parsing: "4c8b"), .afterRotary)])
        for name in ["cq-17c8b", "cq-4c13b", "cq-4c3b", "cq-x", "cq-4c8b/post/post", "cq-4c8b/b64"] {
            let error = #expect(throws: CodecError.self) { try CodecRegistry.codec(named: name) }
            #expect(error?.reason == .unknownParameter, "\(name)")
        }
        let far = #expect(throws: CodecError.self) { try CodecRegistry.codec(named: "cp-4c8b") }
        #expect(far?.description.contains("did you mean 'cq-4c8b'?") == true)
        let shape = HeadShape(kvHeads: 2, headSize: 64)
        let codec = try CodecRegistry.codec(named: "cq-4c8b")
        let unlearned = #expect(throws: CodecError.self) { try codec.keys(shape: shape, instructionSet: .best) }
        #expect(unlearned?.reason == .needsCalibration)
        #expect(unlearned?.remedy.contains("kvasir calibrate coupled --scheme 4c8b") == true)
        let odd = #expect(throws: CodecError.self) {
            try CodecRegistry.codec(named: "cq-16c8b").keys(
                shape: HeadShape(kvHeads: 1, headSize: 72), instructionSet: .best)
        }
        #expect(odd?.reason == .unsupportedShape)
        let layer = try LayerContext.uncalibrated(for: codec, shape: shape, instructionSet: .best, seed: nil)
        for name in ["cq-4c8b/rot", "cq-4c8b/center"] {
            let error = #expect(throws: CodecError.self) { try CodecRegistry.codec(named: name).keys(of: layer) }
            #expect(error?.reason == .unsupportedPart && error?.received == name)
        }
        // Codebooks of other heads than the layer's.
        let other = LayerContext(
            shape: HeadShape(kvHeads: 3, headSize: 64), instructionSet: .best, codebooks: layer.codebooks)
        let mismatch = #expect(throws: CodecError.self) { try codec.values(of: other) }
        #expect(mismatch?.reason == .needsCalibration)
    }
}

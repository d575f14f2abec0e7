import KvasirCodecs
import KvasirNumerics
import Testing

@testable import KvasirCache

/// A codec in whose keys the tokens of a group share a scale per channel, and which keeps the last values in f16.
private struct GroupCodec: CacheCodec {
    var group = 32
    var residual = 64
    var name: String { "group/g\(group)/r\(residual)" }

    func keys(of layer: LayerContext) throws(CodecError) -> any KeyCodec {
        GroupKeys(shape: layer.shape, groupTokens: group, residualTokens: residual)
    }

    func values(of layer: LayerContext) throws(CodecError) -> any ValueCodec {
        ResidualValues(
            base: try CodecRegistry.codec(named: "nf4/b32").values(of: layer),
            residualTokens: residual)
    }

    func plan(_ text: String = "nf4", shape: CacheShape) throws -> CachePlan {
        try CachePlan(
            CacheConfiguration(parsing: text), keys: self, values: self, shape: shape, instructionSet: .best)
    }
}

/// [token][value] as bytes, then [group][value] scales.
private struct GroupKeys: KeyCodec {
    let shape: HeadShape
    let groupTokens: Int
    let residualTokens: Int

    var storage: PartStorage {
        PartStorage(
            codes: PageGeometry.tokens * shape.width, scales: PageGeometry.tokens / groupTokens * shape.width * 4)
    }
    var queryBytes: Int { shape.headSize * 4 }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        Issue.record("a token of a group was stored alone")
    }

    func encode(group vectors: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        #expect(position % groupTokens == 0)
        let slot = position % PageGeometry.tokens
        let codes = part.assumingMemoryBound(to: Int8.self)
        let scales = (part + PageGeometry.tokens * shape.width).assumingMemoryBound(to: Float.self)
        for value in 0..<shape.width {
            let largest = (0..<groupTokens).map { abs(vectors[$0 * shape.width + value]) }.reduce(0) {
                $1 > $0 ? $1 : $0
            }
            scales[slot / groupTokens * shape.width + value] = largest / 127
            for token in 0..<groupTokens {
                let scaled = vectors[token * shape.width + value] / largest * 127
                codes[(slot + token) * shape.width + value] = scaled.isFinite ? Int8(scaled.rounded()) : 0
            }
        }
    }

    private func value(_ part: UnsafeRawPointer, slot: Int, _ value: Int) -> Float {
        let codes = part.assumingMemoryBound(to: Int8.self)
        let scales = (part + PageGeometry.tokens * shape.width).assumingMemoryBound(to: Float.self)
        return Float(codes[slot * shape.width + value]) * scales[slot / groupTokens * shape.width + value]
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        for index in 0..<shape.width { vector[index] = value(part, slot: position % PageGeometry.tokens, index) }
    }

    func prepare(query: UnsafePointer<Float>, factor: Float, into prepared: UnsafeMutableRawPointer) {
        let target = prepared.assumingMemoryBound(to: Float.self)
        for channel in 0..<shape.headSize { target[channel] = query[channel] * factor }
    }

    func score(
        _ run: TokenRun, head: Int, queries: UnsafeRawPointer, rows: Int, into scores: UnsafeMutablePointer<Float>,
        stride: Int
    ) {
        let queries = queries.assumingMemoryBound(to: Float.self)
        for token in 0..<PageGeometry.pages(forTokens: run.tokens) * PageGeometry.tokens {
            let part = run.pages[token / PageGeometry.tokens] + run.offset
            for row in 0..<rows {
                var sum: Float = 0
                for channel in 0..<shape.headSize {
                    sum +=
                        queries[row * shape.headSize + channel]
                        * value(part, slot: token % PageGeometry.tokens, head * shape.headSize + channel)
                }
                scores[row * stride + token] = sum
            }
        }
    }
}

private struct ResidualValues: ValueCodec {
    let base: any ValueCodec
    let residualTokens: Int

    var shape: HeadShape { base.shape }
    var storage: PartStorage { base.storage }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        base.encode(vector, position: position, into: part)
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        base.decode(position: position, of: part, into: vector)
    }

    func mix(
        _ run: TokenRun, head: Int, weights: UnsafePointer<Float>, rows: Int, stride: Int,
        into out: UnsafeMutablePointer<Float>
    ) {
        base.mix(run, head: head, weights: weights, rows: rows, stride: stride, into: out)
    }
}

/// What the contract asks of the cache for codecs that encode groups of tokens at once.
@Suite struct GroupCodecTests {
    private static let heads = shape(kvHeads: 2, headSize: 32, group: 2)

    @Test func thePlanAddsTheWindowThatTheCodecNeeds() throws {
        let layer = try GroupCodec().plan("nf4; recent=V:100; sinks=K:3", shape: Self.heads).layers[0]
        #expect(layer.exactKeys?.tokens == ExactTokens(sinks: 3, recent: 0, block: 64))
        #expect(layer.exactValues?.tokens == ExactTokens(sinks: 0, recent: 100))
        let shorter = try GroupCodec().plan("nf4; recent=7", shape: Self.heads).layers[0]
        #expect(shorter.exactKeys?.tokens == ExactTokens(sinks: 0, recent: 7, block: 64))
        #expect(shorter.exactValues?.tokens == ExactTokens(sinks: 0, recent: 64))
    }

    @Test(arguments: [(32, 32), (32, 128), (16, 48), (64, 64)], ["nf4", "nf4; recent=20; sinks=5"])
    func anyChunkingGivesTheSameOutputsAndPages(sizes: (group: Int, residual: Int), text: String) throws {
        let stream = TokenStream(shape: Self.heads, tokens: 300, seed: 31)
        let plan = try GroupCodec(group: sizes.group, residual: sizes.residual).plan(text, shape: Self.heads)
        func run(_ chunks: [Int], threads: Int) throws -> (outputs: [[Float]], pages: [[UInt8]]) {
            let fixture = try CacheFixture(plan: plan, threads: threads)
            let sequence = fixture.sequence()
            let outputs = try fixture.run(stream, chunks: chunks, into: sequence)
            #expect(sequence.bytes == plan.bytes(forTokens: 300))
            return (outputs, sequence.pageContents)
        }
        let expected = try run([Int](repeating: 1, count: 300), threads: 1)
        #expect(expected.outputs.allSatisfy { $0.allSatisfy(\.isFinite) })
        var generator = PlainGenerator(seed: 5)
        for chunks in [[300], [31, 1, 32, 65, 171], randomChunks(300, &generator)] {
            let result = try run(chunks, threads: 2)
            #expect(identical(result.outputs, expected.outputs), "\(chunks)")
            #expect(result.pages == expected.pages, "\(chunks)")
        }
    }

    @Test func attentionEqualsItsSlowTwin() throws {
        let fixture = try CacheFixture(plan: GroupCodec().plan(shape: Self.heads))
        let stream = TokenStream(shape: Self.heads, tokens: 320, seed: 32)
        let sequence = fixture.sequence()
        let rows = try fixture.run(stream, chunks: [100, 1, 27, 192], into: sequence)[0]
        #expect(PlainAttention(sequence: sequence, stream: stream).error(of: rows, length: 320) <= 1.5e-2)
    }

    @Test(arguments: [290, 256, 240, 200, 100, 0])
    func aCutGroupIsEncodedAgainFromItsCopies(length: Int) throws {
        let plan = try GroupCodec().plan(shape: Self.heads)
        let fixture = try CacheFixture(plan: plan)
        let stream = TokenStream(shape: Self.heads, tokens: 320, seed: 33)
        let fresh = fixture.sequence()
        let expected = try fixture.run(stream, chunks: [320], into: fresh)
        let sequence = fixture.sequence()
        try fixture.append(length, of: stream, to: sequence)
        try fixture.append(300 - length, of: TokenStream(shape: Self.heads, tokens: 320, seed: 34), to: sequence)
        let kept = sequence.truncate(to: length)
        #expect(kept <= length && (length < 236 || kept == length))
        let outputs = try fixture.run(stream, chunks: [1, 319 - kept], into: sequence)
        #expect(identical(outputs[0], Array(expected[0].dropFirst(kept * stream.queryWidth))))
        #expect(sequence.pageContents == fresh.pageContents)
    }
}

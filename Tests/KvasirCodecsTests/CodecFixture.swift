import Foundation
import KvasirCodecs
import KvasirNumerics

/// Cached tokens of one layer in freshly encoded pages, with everything needed to attend to them.
final class CodecFixture {
    let shape: HeadShape
    let keys: any KeyCodec
    let values: any ValueCodec
    let tokens: Int
    /// The tokens and those that complete the last group.
    let storedTokens: Int
    let keyVectors: [Float]
    let valueVectors: [Float]

    private var memory: [AlignedMemory] = []
    private var keyPages: [UnsafeRawPointer] = []
    private var valuePages: [UnsafeRawPointer] = []

    private final class AlignedMemory {
        var buffer: AlignedBuffer<UInt8>
        init(bytes: Int) { buffer = AlignedBuffer(zeroed: bytes) }
    }

    init(
        codec: any CacheCodec, shape: HeadShape, tokens: Int, instructionSet: InstructionSet,
        mean: KeyMean? = nil, rotary: RotaryEmbedding? = nil, values valueCodec: (any CacheCodec)? = nil, step: Int = 1,
        vectors: (inout PlainGenerator, Int) -> [Float] = { $0.normals($1) }
    ) throws {
        self.shape = shape
        self.tokens = tokens
        let layer = try Self.layer(of: codec, shape, instructionSet, mean: mean, rotary: rotary)
        keys = try codec.keys(of: layer)
        values = try (valueCodec ?? codec).values(of: layer)
        keys.reserve(positions: max(tokens, 1))
        let group = max(keys.groupTokens, values.groupTokens)
        storedTokens = (tokens + group - 1) / group * group
        var generator = PlainGenerator(seed: UInt64(tokens * 31 + shape.width))
        keyVectors = vectors(&generator, storedTokens * shape.width)
        valueVectors = vectors(&generator, storedTokens * shape.width)
        for _ in 0..<max(PageGeometry.pages(forTokens: tokens), 1) {
            keyPages.append(page(keys))
            valuePages.append(page(values))
        }
        store(keyVectors, keys, keyPages, step: step)
        store(valueVectors, values, valuePages, step: step)
    }

    /// What a codec is bound to; one with codebooks gets random ones, and keys that it turns.
    static func layer(
        of codec: any CacheCodec, _ shape: HeadShape, _ instructionSet: InstructionSet, mean: KeyMean? = nil,
        rotary: RotaryEmbedding? = nil
    ) throws -> LayerContext {
        guard codec.hasLearnedBasis else {
            return LayerContext(shape: shape, instructionSet: instructionSet, rotary: rotary, mean: mean)
        }
        return try .uncalibrated(
            for: codec, shape: shape, instructionSet: instructionSet,
            rotary: rotary ?? usualRotary(shape), seed: 3)
    }

    /// Base 10,000, one order or the other by the number of heads.
    static func usualRotary(_ shape: HeadShape) -> RotaryEmbedding {
        let pairs = shape.headSize / 2
        return RotaryEmbedding(
            frequencies: (0..<pairs).map { pow(10_000, -Double($0) / Double(pairs)) },
            order: shape.kvHeads % 2 == 0 ? .halves : .interleaved)
    }

    private func page(_ codec: any PageCodec) -> UnsafeRawPointer {
        let page = AlignedMemory(bytes: codec.storage.bytes)
        memory.append(page)
        return UnsafeRawPointer(page.buffer.pointer)
    }

    /// Stores all groups of tokens; `step` has no divisor in common with their number, so that each is stored once.
    private func store(_ vectors: [Float], _ codec: any PageCodec, _ pages: [UnsafeRawPointer], step: Int) {
        let groups = storedTokens / codec.groupTokens
        for index in 0..<groups {
            let token = index * step % groups * codec.groupTokens
            let page = token / PageGeometry.tokens
            vectors.withUnsafeBufferPointer {
                codec.store(
                    $0.baseAddress! + token * shape.width, position: token,
                    into: UnsafeMutableRawPointer(mutating: pages[page]))
            }
        }
    }

    /// The bytes of a page, keys and then values.
    func bytes(ofPage page: Int) -> [UInt8] {
        [UInt8](UnsafeRawBufferPointer(start: keyPages[page], count: keys.storage.bytes))
            + [UInt8](UnsafeRawBufferPointer(start: valuePages[page], count: values.storage.bytes))
    }

    /// The key part, and the value part, of a page.
    func parts(ofPage page: Int) -> (keys: UnsafeRawPointer, values: UnsafeRawPointer) {
        (keyPages[page], valuePages[page])
    }

    func decodedKey(_ token: Int) -> [Float] { decode(keys, keyPages, token) }
    func decodedValue(_ token: Int) -> [Float] { decode(values, valuePages, token) }

    private func decode(_ codec: any PageCodec, _ pages: [UnsafeRawPointer], _ token: Int) -> [Float] {
        let page = token / PageGeometry.tokens
        return [Float](unsafeUninitializedCapacity: shape.width) { buffer, count in
            codec.decode(position: token, of: pages[page], into: buffer.baseAddress!)
            count = shape.width
        }
    }

    /// Scores of `queries` (rows x head size) against every token: rows x tokens.
    func score(head: Int, queries: [Float], firstPage: Int = 0) -> [Float] {
        let rows = queries.count / shape.headSize
        let run = tokens - firstPage * PageGeometry.tokens
        let stride = PageGeometry.pages(forTokens: run) * PageGeometry.tokens
        let prepared = AlignedBuffer<UInt8>(zeroed: rows * keys.queryBytes)
        var scores = [Float](repeating: .nan, count: rows * stride)
        queries.withUnsafeBufferPointer { queries in
            for row in 0..<rows {
                keys.prepare(
                    query: queries.baseAddress! + row * shape.headSize, row: row, of: rows, head: head, factor: 1,
                    into: UnsafeMutableRawPointer(prepared.pointer))
            }
        }
        keyPages.withUnsafeBufferPointer { pages in
            scores.withUnsafeMutableBufferPointer { scores in
                keys.score(
                    TokenRun(
                        pages: pages.baseAddress! + firstPage, offset: 0, position: firstPage * PageGeometry.tokens,
                        tokens: run), head: head,
                    queries: UnsafeRawPointer(prepared.pointer), rows: rows, into: scores.baseAddress!, stride: stride)
            }
        }
        return (0..<rows).flatMap { row in scores[row * stride..<row * stride + run] }
    }

    /// The sum of weights (rows x tokens) times values: rows x head size.
    func mix(head: Int, weights: [Float], rows: Int) -> [Float] {
        let stride = PageGeometry.pages(forTokens: tokens) * PageGeometry.tokens
        var padded = [Float](repeating: 0, count: rows * stride)
        for row in 0..<rows {
            for token in 0..<tokens { padded[row * stride + token] = weights[row * tokens + token] }
        }
        var out = [Float](repeating: 0, count: rows * shape.headSize)
        valuePages.withUnsafeBufferPointer { pages in
            padded.withUnsafeBufferPointer { weights in
                out.withUnsafeMutableBufferPointer { out in
                    values.mix(
                        TokenRun(pages: pages.baseAddress!, offset: 0, position: 0, tokens: tokens), head: head,
                        weights: weights.baseAddress!, rows: rows, stride: stride, into: out.baseAddress!)
                    for row in 0..<rows { values.restore(out.baseAddress! + row * shape.headSize) }
                }
            }
        }
        return out
    }
}

extension PageCodec {
    /// Stores `groupTokens` tokens, as the cache does.
    func store(_ vectors: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        if groupTokens == 1 {
            encode(vectors, position: position, into: part)
        } else {
            encode(group: vectors, position: position, into: part)
        }
    }
}

/// A small seeded generator of its own, so that fixtures do not change when the library's does.
struct PlainGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }

    /// Uniform in 0..<1.
    mutating func uniform() -> Double { Double(next() >> 11) / Double(1 << 53) }

    /// Nearly normal, with a value twenty times as large every so often.
    mutating func normalsWithOutliers(_ count: Int) -> [Float] {
        normals(count).enumerated().map { $0.offset % 61 == 17 ? 20 * $0.element : $0.element }
    }

    /// Nearly normal: the sum of twelve uniform numbers.
    mutating func normals(_ count: Int) -> [Float] {
        (0..<count).map { _ in Float((0..<12).reduce(0) { sum, _ in sum + uniform() } - 6) }
    }
}

/// Root mean square of the differences over that of the sizes.
func relativeError(_ actual: [Float], _ expected: [Double], sizes: [Double]) -> Double {
    let difference = zip(actual, expected).reduce(0.0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
    let size = sizes.reduce(0.0) { $0 + $1 * $1 }
    return size == 0 ? difference : (difference / size).squareRoot()
}

/// Root mean square of the differences over that of the expected values.
func relativeError(_ actual: [Float], _ expected: [Float]) -> Double {
    let expected = expected.map(Double.init)
    return relativeError(actual, expected, sizes: expected)
}

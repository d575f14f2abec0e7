import Foundation
import KvasirCodecs
import KvasirNumerics
import Testing

@testable import KvasirCache

/// A codec of every family for keys and values alike, pairs of different ones, and rotated ones.
let configurationTexts: [String] =
    // What is compared with must not change its bits meanwhile.
    CodecRegistry.families.compactMap(\.members.first).map { $0.name.hasPrefix("qaq") ? "qaq/min4/max4" : $0.name } + [
        "K=nf4/b32,V=f16", "K=f32,V=nf4/b256", "K=nf4/b128,V=nf4/b32", "nf4/b64/rot", "K=q4_0/rot,V=lm2/rot",
        "cq-4c8b", "K=cq-4c10b,V=cq-8c8b", "K=cq-4c8b/post,V=cq-4c10b",
    ]

/// A codec for every width of the kernels, 16 bits to 1, one of them with groups of tokens, and one with windows: for tests
/// whose every case takes long.
let representativeTexts: [String] = [
    "f16", "q8_0", "q5_1", "nf4/b256", "lm3/b128", "kivi2/g32/r128", "lm1/b128", "cq-4c8b", "aligned/t4-8",
    "aligned8/s0",
    "nf4; layers -1=f32; recent=K:20; sinks=V:1",
]

/// Configurations with windows: within a page, of several, for keys or values alone, and beside layers without.
let windowedTexts: [String] = [
    "nf4; recent=64; sinks=4", "K=nf4/b32,V=nf4/b64; recent=K:1,V:100; sinks=K:70", "nf4/b128; sinks=64",
    "K=f16,V=nf4; recent=130", "nf4; layers -1=f32; recent=K:20; sinks=V:1", "nf4/b32; recent=1",
    "cq-4c8b; recent=32; sinks=4", "cq-8c8b; recent=K:100",
]

/// The shape of a model with few layers.
func shape(layers: Int = 1, kvHeads: Int, headSize: Int, group: Int) -> CacheShape {
    CacheShape(
        layers: layers, heads: HeadShape(kvHeads: kvHeads, headSize: headSize), queryHeads: kvHeads * group)
}

/// Queries, keys and values of one sequence, as a model would compute them: the same for every layer but for their order.
struct TokenStream {
    let shape: CacheShape
    var queries: [Float]
    var keys: [Float]
    var values: [Float]

    var queryWidth: Int { shape.queryHeads * shape.heads.headSize }
    var tokens: Int { keys.count / shape.heads.width }

    init(shape: CacheShape, tokens: Int, seed: UInt64) {
        var generator = PlainGenerator(seed: seed)
        self.shape = shape
        queries = generator.normals(tokens * shape.queryHeads * shape.heads.headSize)
        keys = generator.normals(tokens * shape.heads.width)
        values = generator.normals(tokens * shape.heads.width)
    }

    func keys(_ range: Range<Int>, layer: Int) -> [Float] {
        slice(layer % 2 == 0 ? keys : values, range, shape.heads.width)
    }

    func values(_ range: Range<Int>, layer: Int) -> [Float] {
        slice(layer % 2 == 0 ? values : keys, range, shape.heads.width)
    }

    func queries(_ range: Range<Int>) -> [Float] { slice(queries, range, queryWidth) }

    private func slice(_ all: [Float], _ range: Range<Int>, _ width: Int) -> [Float] {
        Array(all[range.lowerBound * width..<range.upperBound * width])
    }
}

/// A cache of one plan and what it takes to run steps on it.
struct CacheFixture {
    let plan: CachePlan
    let pool: PagePool
    let threads: ThreadPool
    let attention: CacheAttention

    init(plan: CachePlan, instructionSet: InstructionSet = .best, threads: Int = 1, budget: Int = .max) throws {
        self.plan = plan
        pool = PagePool(plan: plan, budget: budget)
        self.threads = try ThreadPool(threadCount: threads)
        attention = CacheAttention(plan: plan, instructionSet: instructionSet, threads: self.threads)
    }

    init(
        _ configuration: String, shape: CacheShape, instructionSet: InstructionSet = .best, threads: Int = 1,
        budget: Int = .max
    ) throws {
        let configuration = try CacheConfiguration(parsing: configuration)
        // The turns matter where codebooks do.
        let statistics =
            configuration.calibrations.isEmpty
            ? ModelStatistics() : try .random(for: configuration, shape: shape, rotary: rotary(shape))
        try self.init(
            plan: CachePlan(
                configuration, shape: shape, statistics: statistics, instructionSet: instructionSet),
            instructionSet: instructionSet, threads: threads, budget: budget)
    }

    func sequence() -> CacheSequence { CacheSequence(plan: plan, pool: pool) }

    /// Stores tokens of the segments' sequences, one after the other.
    ///
    /// Keys and values lie side by side, as those of a fused projection do.
    private func store(_ keys: [Float], _ values: [Float], of segments: [AttentionSegment], layer: Int) {
        let width = plan.shape.heads.width
        let rows = keys.count / width
        var both = [Float](repeating: .nan, count: rows * width * 2)
        for row in 0..<rows {
            both.replaceSubrange(row * 2 * width..<(row * 2 + 1) * width, with: keys[row * width..<(row + 1) * width])
            both.replaceSubrange(
                (row * 2 + 1) * width..<(row + 1) * 2 * width, with: values[row * width..<(row + 1) * width])
        }
        both.withUnsafeMutableBufferPointer { both in
            let matrix = FloatMatrix(both.baseAddress!, rows: rows, columns: 2 * width)
            attention.store(
                layer: layer, keys: matrix.columns(0..<width), values: matrix.columns(width..<2 * width),
                segments: segments)
        }
    }

    /// Stores the next tokens of a stream without attending.
    func append(_ count: Int, of stream: TokenStream, to sequence: CacheSequence) throws {
        try sequence.reserve(count)
        let range = sequence.count..<sequence.count + count
        let segments = [AttentionSegment(sequence: sequence, firstRow: 0, tokens: count)]
        for layer in 0..<plan.shape.layers {
            store(stream.keys(range, layer: layer), stream.values(range, layer: layer), of: segments, layer: layer)
        }
        sequence.advance(count)
    }

    /// Runs one step of a model: the next tokens of every sequence, all layers.
    ///
    /// Returns for each sequence and layer the outputs, tokens x query width.
    func step(
        _ parts: [(sequence: CacheSequence, stream: TokenStream, tokens: Int)]
    ) throws -> [[[Float]]] {
        for part in parts { try part.sequence.reserve(part.tokens) }
        let width = plan.shape.queryHeads * plan.shape.heads.headSize
        var segments: [AttentionSegment] = []
        var queries: [Float] = []
        for part in parts {
            segments.append(
                AttentionSegment(
                    sequence: part.sequence, firstRow: queries.count / width, tokens: part.tokens))
            queries += part.stream.queries(part.sequence.count..<part.sequence.count + part.tokens)
        }
        var results = [[[Float]]](repeating: [], count: parts.count)
        for layer in 0..<plan.shape.layers {
            var (keys, values): ([Float], [Float]) = ([], [])
            for part in parts {
                let range = part.sequence.count..<part.sequence.count + part.tokens
                keys += part.stream.keys(range, layer: layer)
                values += part.stream.values(range, layer: layer)
            }
            store(keys, values, of: segments, layer: layer)
            var output = [Float](repeating: .signalingNaN, count: queries.count)
            let rows = queries.count / width
            queries.withUnsafeMutableBufferPointer { queries in
                output.withUnsafeMutableBufferPointer { output in
                    attention.attend(
                        layer: layer, queries: FloatMatrix(queries.baseAddress!, rows: rows, columns: width),
                        factor: 1 / Float(plan.shape.heads.headSize).squareRoot(), segments: segments,
                        output: FloatMatrix(output.baseAddress!, rows: rows, columns: width))
                }
            }
            for (index, segment) in segments.enumerated() {
                let start = segment.firstRow * width
                results[index].append(Array(output[start..<start + segment.tokens * width]))
            }
        }
        for part in parts { part.sequence.advance(part.tokens) }
        return results
    }

    /// Runs a stream in chunks of the given sizes; returns for each layer the outputs of all tokens.
    func run(_ stream: TokenStream, chunks: [Int], into sequence: CacheSequence) throws -> [[Float]] {
        var outputs = [[Float]](repeating: [], count: plan.shape.layers)
        for chunk in chunks {
            let result = try step([(sequence, stream, chunk)])
            for layer in outputs.indices { outputs[layer] += result[0][layer] }
        }
        return outputs
    }
}

/// Turns for the keys of all layers, base 10,000, in one order or the other by the number of heads.
func rotary(_ shape: CacheShape) -> [RotaryEmbedding] {
    let pairs = shape.heads.headSize / 2
    let rotary = RotaryEmbedding(
        frequencies: (0..<pairs).map { pow(10_000, -Double($0) / Double(pairs)) },
        order: shape.heads.kvHeads % 2 == 0 ? .halves : .interleaved)
    return [RotaryEmbedding](repeating: rotary, count: shape.layers)
}

extension CacheSequence {
    /// A copy of all bytes of all pages.
    var pageContents: [[UInt8]] {
        withPages { pages in
            pages.map { Array(UnsafeRawBufferPointer(start: $0, count: plan.fixedPageBytes)) }
        }
    }
}

/// Sizes that add up to `total`, most of them small, some of several pages.
func randomChunks(_ total: Int, _ generator: inout PlainGenerator) -> [Int] {
    var chunks: [Int] = []
    var left = total
    while left > 0 {
        let largest = [1, 3, 40, 70, 200][generator.index(5)]
        let chunk = min(left, 1 + generator.index(largest))
        chunks.append(chunk)
        left -= chunk
    }
    return chunks
}

/// Whether two results are the same bit for bit, NaN included.
func identical(_ first: [Float], _ second: [Float]) -> Bool {
    first.count == second.count && zip(first, second).allSatisfy { $0.bitPattern == $1.bitPattern }
}

/// Whether two results of several layers are the same bit for bit.
func identical(_ first: [[Float]], _ second: [[Float]]) -> Bool {
    first.count == second.count && zip(first, second).allSatisfy { identical($0, $1) }
}

/// A small seeded generator of its own, so that fixtures do not change when the library's does.
struct PlainGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = (seed &+ 1) &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }

    /// Uniform in 0..<count.
    mutating func index(_ count: Int) -> Int { Int((next() >> 16) % UInt64(count)) }

    /// Nearly normal: the sum of twelve uniform numbers.
    mutating func normals(_ count: Int) -> [Float] {
        (0..<count).map { _ in
            var sum = 0.0
            for _ in 0..<12 { sum += Double(next() >> 11) / Double(1 << 53) }
            return Float(sum - 6)
        }
    }
}

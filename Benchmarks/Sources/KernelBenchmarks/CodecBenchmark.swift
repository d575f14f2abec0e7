internal import Foundation
package import KvasirCodecs
package import KvasirNumerics

/// Times the kernels of one codec bound to one instruction set.
package struct CodecBenchmark {
    private let codec: any CacheCodec
    private let instructionSet: InstructionSet
    private let shape: CacheShape
    private let machine: MachineLimits
    private let threads: ThreadPool
    private let sampler: Sampler

    package init(
        codec: any CacheCodec, instructionSet: InstructionSet, shape: CacheShape, machine: MachineLimits,
        threads: ThreadPool, sampler: Sampler
    ) {
        self.codec = codec
        self.instructionSet = instructionSet
        self.shape = shape
        self.machine = machine
        self.threads = threads
        self.sampler = sampler
    }

    /// Times scores of all KV heads for the query heads of a group times each number of query tokens in `tiles`.
    package func score(tiles: [Int]) throws(CodecError) -> [KernelResult] {
        let keys = try codec.keys(of: try layer())
        let context = PackedContext(keys, shape: shape)
        return tiles.map { tile in
            let rows = shape.group * tile
            let queries = AlignedBuffer<UInt8>(zeroed: shape.heads.kvHeads * rows * keys.queryBytes)
            let vectors = randomVectors(shape.heads.kvHeads * rows, of: shape.heads.headSize, seed: 1)
            for index in 0..<shape.heads.kvHeads * rows {
                let (head, row) = index.quotientAndRemainder(dividingBy: rows)
                keys.prepare(
                    query: vectors.pointer + index * shape.heads.headSize, row: row, of: rows, head: head,
                    factor: 0.125, into: queries.pointer + head * rows * keys.queryBytes)
            }
            let scores = AlignedBuffer<Float>(zeroed: threads.threadCount * rows * ContextRanges.longest)
            let timing = sampler.time { run in
                let ranges = ContextRanges(context, layer: run % shape.layers)
                let work = ScoreWork(
                    keys: keys, ranges: ranges, rows: rows, queries: queries.pointer, scores: scores.pointer)
                threads.run(shape.heads.kvHeads * ranges.count, work)
            }
            return attentionResult("score", rows: rows, codec: keys, context: context, timing: timing)
        }
    }

    /// Times weighted sums of all KV heads for the query heads of a group times each number of query tokens in `tiles`.
    package func mix(tiles: [Int]) throws(CodecError) -> [KernelResult] {
        let values = try codec.values(of: try layer())
        let context = PackedContext(values, shape: shape)
        return tiles.map { tile in
            let rows = shape.group * tile
            // None is so small beside the others that a kernel might leave it out.
            let weights = AlignedBuffer<Float>(zeroed: rows * ContextRanges.longest)
            var generator = SeededGenerator(seed: 2)
            for index in 0..<weights.count {
                weights.pointer[index] = Float(0.5 + generator.nextUnit()) / Float(shape.tokens)
            }
            let sums = AlignedBuffer<Float>(zeroed: threads.threadCount * rows * shape.heads.headSize)
            let timing = sampler.time { run in
                let ranges = ContextRanges(context, layer: run % shape.layers)
                let work = MixWork(
                    values: values, ranges: ranges, rows: rows, weights: weights.pointer, sums: sums.pointer)
                threads.run(shape.heads.kvHeads * ranges.count, work)
            }
            return attentionResult("mix", rows: rows, codec: values, context: context, timing: timing)
        }
    }

    /// Times storing every token of the context, as keys and as values.
    package func encode() throws(CodecError) -> [KernelResult] {
        [
            encode("encode keys", try codec.keys(of: try layer())),
            encode("encode values", try codec.values(of: try layer())),
        ]
    }

    /// A layer whose keys are turned by position; what a codec would have learned is random.
    private func layer() throws(CodecError) -> LayerContext {
        let pairs = shape.heads.headSize / 2
        return try .uncalibrated(
            for: codec, shape: shape.heads, instructionSet: instructionSet,
            rotary: RotaryEmbedding(
                frequencies: (0..<pairs).map { pow(10_000, -Double($0) / Double(pairs)) }, order: .interleaved),
            seed: 4)
    }

    private func encode(_ kernel: String, _ codec: any PageCodec) -> KernelResult {
        let context = PackedContext(codec, shape: shape)
        // One page's vectors, read again and again: in the engine they come from the layer before, so from a cache.
        let vectors = randomVectors(PageGeometry.tokens, of: shape.heads.width, seed: 3)
        let timing = sampler.time { run in
            let work = EncodeWork(
                codec: codec, pages: context.pages, offset: context.offset(ofLayer: run % shape.layers),
                vectors: vectors.pointer)
            threads.run(shape.pages, work)
        }
        let limit = Limit.settled(for: timing) {
            Limit.tightest(
                .reading(shape.values * MemoryLayout<Float>.stride, ofSize: vectors.byteCount, on: machine),
                .writing(context.layerBytes, ofSize: context.bytes, on: machine))
        }
        return KernelResult(
            kernel: kernel, format: self.codec.name, instructionSet: instructionSet, rows: 1, values: shape.values,
            bytes: context.layerBytes, timing: timing, limit: limit)
    }

    private func attentionResult(
        _ kernel: String, rows: Int, codec: any PageCodec, context: PackedContext, timing: Timing
    ) -> KernelResult {
        let bits = PartStorage(codes: codec.storage.codes).bitsPerValue(width: shape.heads.width)
        let limit = Limit.settled(for: timing) {
            Limit.tightest(
                .reading(context.layerBytes, ofSize: context.bytes, on: machine),
                .arithmetic(shape.values * rows, bits: bits, instructionSet, on: machine))
        }
        return KernelResult(
            kernel: kernel, format: self.codec.name, instructionSet: instructionSet, rows: rows, values: shape.values,
            bytes: context.layerBytes, timing: timing, limit: limit)
    }
}

/// The context of one layer, cut as attention cuts it.
private struct ContextRanges {
    /// Tokens of a range.
    static let longest = 8 * PageGeometry.tokens

    let pages: UnsafePointer<UnsafeRawPointer>
    let offset: Int
    let tokens: Int

    init(_ context: PackedContext, layer: Int) {
        pages = context.pages
        offset = context.offset(ofLayer: layer)
        tokens = context.shape.tokens
    }

    var count: Int { (tokens + Self.longest - 1) / Self.longest }

    subscript(index: Int) -> TokenRun {
        let first = index * Self.longest
        return TokenRun(
            pages: pages + first / PageGeometry.tokens, offset: offset, position: first,
            tokens: min(Self.longest, tokens - first))
    }
}

/// An item is one range of one KV head.
private struct ScoreWork: ParallelWork {
    let keys: any KeyCodec
    let ranges: ContextRanges
    let rows: Int
    let queries: UnsafePointer<UInt8>
    let scores: UnsafeMutablePointer<Float>

    func perform(item: Int, worker: Int) {
        let head = item / ranges.count
        keys.score(
            ranges[item % ranges.count], head: head, queries: queries + head * rows * keys.queryBytes, rows: rows,
            into: scores + worker * rows * ContextRanges.longest, stride: ContextRanges.longest)
    }
}

private struct MixWork: ParallelWork {
    let values: any ValueCodec
    let ranges: ContextRanges
    let rows: Int
    let weights: UnsafePointer<Float>
    let sums: UnsafeMutablePointer<Float>

    func perform(item: Int, worker: Int) {
        values.mix(
            ranges[item % ranges.count], head: item / ranges.count, weights: weights, rows: rows,
            stride: ContextRanges.longest, into: sums + worker * rows * values.shape.headSize)
    }
}

/// An item is one page.
private struct EncodeWork: ParallelWork {
    let codec: any PageCodec
    let pages: UnsafePointer<UnsafeRawPointer>
    let offset: Int
    let vectors: UnsafePointer<Float>

    func perform(item: Int, worker: Int) {
        let part = UnsafeMutableRawPointer(mutating: pages[item]) + offset
        codec.encodePage(vectors, into: part)
    }
}

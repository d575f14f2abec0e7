internal import Foundation
package import KvasirCache
package import KvasirCodecs
package import KvasirNumerics

/// Times attention of one new token as the engine computes it: all query heads of a layer, scores, softmax and mix.
///
/// What codecs with selective reading read depends on the data, so these are not plain noise: channels of the keys have
/// sizes of their own, and scores scatter by about 4, so that few tokens have most of the weight.
package struct AttentionBenchmark {
    private let cache: CacheConfiguration
    private let instructionSet: InstructionSet
    private let shape: CacheShape
    private let machine: MachineLimits
    private let threads: ThreadPool
    private let sampler: Sampler

    package init(
        cache: CacheConfiguration, instructionSet: InstructionSet, shape: CacheShape, machine: MachineLimits,
        threads: ThreadPool, sampler: Sampler
    ) {
        self.cache = cache
        self.instructionSet = instructionSet
        self.shape = shape
        self.machine = machine
        self.threads = threads
        self.sampler = sampler
    }

    /// Tokens whose vectors differ; the others repeat them.
    private static let distinctTokens = 512

    /// Times a query token after `shape.tokens` cached ones.
    ///
    /// - Throws: `CacheError` if the heads do not suit the codecs.
    package func decode() throws(CacheError) -> KernelResult {
        let queryHeads = shape.heads.kvHeads * shape.group
        let plan = try CachePlan(
            cache, shape: .init(layers: shape.layers, heads: shape.heads, queryHeads: queryHeads),
            instructionSet: instructionSet)
        let sequence = CacheSequence(plan: plan, pool: PagePool(plan: plan))
        let sizes = channelSizes()
        try fill(sequence, sizes: sizes)
        let attention = CacheAttention(plan: plan, instructionSet: instructionSet, threads: threads)
        let columns = queryHeads * shape.heads.headSize
        let queries = randomVectors(1, of: columns, seed: 11)
        let output = AlignedBuffer<Float>(zeroed: columns)
        // The scatter of a score is that of a query value times the root mean square of the channels' sizes.
        let meanSquare = sizes.reduce(0) { $0 + $1 * $1 } / Float(sizes.count)
        let factor = 4 / (Float(shape.heads.headSize) * meanSquare).squareRoot()
        let segment = AttentionSegment(sequence: sequence, firstRow: 0, tokens: 1)
        let before = plan.reading
        let timing = sampler.time { run in
            attention.attend(
                layer: run % shape.layers, queries: FloatMatrix(queries.pointer, rows: 1, columns: columns),
                factor: factor, segments: [segment],
                output: FloatMatrix(output.pointer, rows: 1, columns: columns))
        }
        let reading = plan.reading.since(before)
        let bits =
            (plan.bitsReadPerValueK(reading) ?? plan.bitsPerValueK)
            + (plan.bitsReadPerValueV(reading) ?? plan.bitsPerValueV)
        let bytes = Int(Double(shape.values) * bits / 8)
        let limit = Limit.settled(for: timing) {
            Limit.tightest(
                .reading(bytes, ofSize: bytes * shape.layers, on: machine),
                .arithmetic(2 * shape.values * shape.group, bits: bits / 2, instructionSet, on: machine))
        }
        return KernelResult(
            kernel: "attention", format: cache.description, instructionSet: instructionSet, rows: shape.group,
            values: 2 * shape.values, bytes: bytes, timing: timing, limit: limit)
    }

    /// Sizes of the channels of a token's keys: log-normal, most within a factor of 5.
    private func channelSizes() -> [Float] {
        var generator = SeededGenerator(seed: 12)
        return (0..<shape.heads.width).map { _ in
            Float(exp2(1.2 * ((0..<12).reduce(-6.0) { sum, _ in sum + generator.nextUnit() })))
        }
    }

    private func fill(_ sequence: CacheSequence, sizes: [Float]) throws(CacheError) {
        let width = shape.heads.width
        let distinct = min(Self.distinctTokens, shape.tokens)
        let keys = randomVectors(distinct, of: width, seed: 13)
        let values = randomVectors(distinct, of: width, seed: 14)
        for token in 0..<distinct {
            for channel in 0..<width { keys.pointer[token * width + channel] *= sizes[channel] }
        }
        // The last token stays to be computed: attention is that of a token which is stored and not yet counted.
        let last = shape.tokens - 1
        for first in stride(from: 0, to: shape.tokens, by: distinct) {
            let count = min(distinct, shape.tokens - first)
            try sequence.reserve(count)
            for layer in 0..<shape.layers {
                sequence.store(
                    layer: layer, keys: FloatMatrix(keys.pointer, rows: count, columns: width),
                    values: FloatMatrix(values.pointer, rows: count, columns: width), threads: threads)
            }
            sequence.advance(min(count, last - first))
        }
    }
}

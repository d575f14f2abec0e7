import KvasirCodecs
import KvasirNumerics
import Synchronization
import Testing

@testable import KvasirCache

/// Beyond the pages there are the scores of the rows at hand and the sums of their ranges; nothing of the size of tokens
/// times width.
@Suite struct AttentionMemoryTests {
    private static let contexts = [1024, 2048, 4096, 8192, 16384]

    /// Buffers grow by half at least.
    private static let growth = 1.5

    /// Bytes of the scores, sums, maxima and totals of `rows` rows at a time.
    private func bytes(rows: Int, context: Int, headSize: Int) -> Int {
        let ranges = (context + 511) / 512
        return 4 * rows * (context + ranges * (headSize + 2)) + 8 * rows * headSize
    }

    @Test(arguments: ["f32", "f16", "nf4"])
    func aDecodeStepHoldsOneScoreForEachQueryHeadAndToken(configuration: String) throws {
        let shape = shape(kvHeads: 2, headSize: 64, group: 2)
        let stream = TokenStream(shape: shape, tokens: 16384, seed: 1)
        let fixture = try CacheFixture(configuration, shape: shape, threads: ThreadPool.defaultThreadCount)
        let sequence = fixture.sequence()
        for context in Self.contexts {
            try fixture.append(context - sequence.count - 1, of: stream, to: sequence)
            _ = try fixture.step([(sequence, stream, 1)])
            let bound = bytes(rows: shape.queryHeads, context: context, headSize: 64)
            #expect(Double(fixture.attention.workBytes) <= Self.growth * Double(bound), "context \(context)")
            // An eighth of what the keys alone would take as floats.
            #expect(fixture.attention.workBytes < context * shape.heads.width * 4 / 8, "context \(context)")
        }
    }

    @Test(arguments: ["f32", "f16", "nf4"])
    func aPrefillStepHoldsNoMoreThanItsTiles(configuration: String) throws {
        let shape = shape(kvHeads: 4, headSize: 64, group: 2)
        let stream = TokenStream(shape: shape, tokens: 16384, seed: 2)
        let fixture = try CacheFixture(configuration, shape: shape, threads: ThreadPool.defaultThreadCount)
        let sequence = fixture.sequence()
        for context in Self.contexts {
            try fixture.append(context - sequence.count - 512, of: stream, to: sequence)
            _ = try fixture.step([(sequence, stream, 512)])
            // A thread holds the scores of one tile: 32 query tokens, or as many as have 128 Ki scores.
            let tileRows = min(32, max(128 * 1024 / (context * shape.groupSize), 1)) * shape.groupSize
            let longest = 32 * shape.groupSize
            let rest = longest * (64 * 4 * 2 + 64 * 5 * 2 + 64) * fixture.threads.threadCount
            let bound = 4 * tileRows * context * fixture.threads.threadCount + rest
            #expect(Double(fixture.attention.workBytes) <= Self.growth * Double(bound), "context \(context)")
            #expect(fixture.attention.workBytes <= 3 * 1024 * 1024 * fixture.threads.threadCount)
        }
    }

    @Test func aLongContextDoesNotWidenTheTilesOfAShortOneBesideIt() throws {
        let shape = shape(kvHeads: 2, headSize: 16, group: 16)
        let fixture = try CacheFixture("nf4", shape: shape, threads: ThreadPool.defaultThreadCount)
        let long = TokenStream(shape: shape, tokens: 16384, seed: 3)
        let short = TokenStream(shape: shape, tokens: 256, seed: 4)
        let sequence = fixture.sequence()
        try fixture.append(16383, of: long, to: sequence)
        _ = try fixture.step([(sequence, long, 1), (fixture.sequence(), short, 256)])
        // 16 rows of 16,384 scores are the most of any tile; 512 rows is the longest tile.
        let scores = 16 * 16384 * 4
        let rest = 512 * (16 * 4 * 2 + 64 * 4 + 4)
        #expect(fixture.attention.workBytes <= fixture.threads.threadCount * (scores + rest) * 3 / 2)
    }

    @Test(arguments: [1, ThreadPool.defaultThreadCount])
    func noStepDecodesATokenThatIsCached(threads: Int) throws {
        let shape = shape(layers: 2, kvHeads: 2, headSize: 32, group: 2)
        let codec = RecordingCodec(base: try CodecRegistry.codec(named: "nf4"))
        let recording = try CacheFixture(plan: codec.plan(shape: shape), threads: threads)
        let plain = try CacheFixture("nf4", shape: shape, threads: threads)
        let stream = TokenStream(shape: shape, tokens: 1200, seed: 9)
        let sequence = recording.sequence()
        let chunks = [700, 1, 1, 64, 1, 300, 1]
        let outputs = try recording.run(stream, chunks: chunks, into: sequence)
        #expect(codec.record.decodes.load(ordering: .relaxed) == 0)
        // It was this codec that did the work, and it did what the plain one does.
        let least = 2 * 4 * 1068 * 1068 / 2
        #expect(codec.record.scores.load(ordering: .relaxed) >= least)
        #expect(codec.record.mixes.load(ordering: .relaxed) >= least)
        #expect(identical(outputs, try plain.run(stream, chunks: chunks, into: plain.sequence())))
        #expect(sequence.truncate(to: 500) == 500)
        _ = sequence.footprint
        #expect(codec.record.decodes.load(ordering: .relaxed) == 0)

        var keys: [Float] = []
        var values: [Float] = []
        sequence.decode(layer: 0, tokens: 0..<3, keys: &keys, values: &values)
        #expect(codec.record.decodes.load(ordering: .relaxed) == 6)
    }
}

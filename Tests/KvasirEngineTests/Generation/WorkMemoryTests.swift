import KvasirCache
import KvasirCodecs
import KvasirEngine
import KvasirModels
import KvasirNumerics
import Testing

/// Attention works on packed pages: what a step needs beside them grows by its scores at most.
struct WorkMemoryTests {
    @Test(arguments: ["f16", "nf4"])
    func decodedTokensAreNeverHeld(cache: String) throws {
        let engine = try TinyModel.tied.engine(cache: cache)
        let sequence = engine.makeSequence()
        let tokens = scatteredTokens(1_000)
        var work: [Int] = []
        for (index, token) in tokens.enumerated() {
            try engine.run(ForwardStep([.init(sequence: sequence, tokens: [token])]))
            if index == 255 || index == 999 { work.append(engine.workBytes) }
        }
        let shape = engine.plan.shape
        // One float per query head and token, in buffers that grow by half; and the sums of one more range.
        let scores = shape.queryHeads * 1_024 * 4 * 3 / 2
        let sums = shape.queryHeads * (shape.heads.headSize + 2) * 2 * 4 * 3 / 2
        #expect(work[1] <= work[0] + scores + sums)
        // The keys of one layer as floats would not fit that.
        #expect(scores + sums < shape.heads.width * (1_000 - 256) * 4)
    }

    @Test func poolHoldsWhatThePlanSays() throws {
        for cache in ["f32", "f16", "nf4", "K=f16,V=nf4/b64"] {
            let engine = try TinyModel.tied.engine(cache: cache)
            let sequence = engine.makeSequence()
            try engine.prefill(scatteredTokens(500)[...], into: sequence)
            #expect(engine.pool.bytesInUse == engine.plan.bytes(forTokens: 500))
            #expect(engine.pool.peakBytes == engine.pool.bytesInUse)
            #expect(sequence.footprint.total == engine.pool.bytesInUse)
        }
    }
}

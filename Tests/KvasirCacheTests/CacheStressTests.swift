import KvasirCodecs
import KvasirNumerics
import Testing

@testable import KvasirCache

/// Random shapes, configurations and histories: whatever was stored, cut off and stored again in between, a sequence is
/// what it would be had its tokens been fed one by one.
@Suite struct CacheStressTests {
    @Test(arguments: 0..<80)
    func anyHistoryEqualsAFreshSequence(seed: Int) throws {
        var generator = PlainGenerator(seed: UInt64(seed) + 1000)
        let configurations = seed % 3 == 0 ? windowedTexts : configurationTexts
        let configuration = configurations[generator.index(configurations.count)]
        let instructionSets = InstructionSet.supported
        let instructionSet = instructionSets[generator.index(instructionSets.count)]
        let shape = shape(
            layers: 1 + generator.index(2), kvHeads: 1 + generator.index(3), headSize: 16 * (1 + generator.index(5)),
            group: 1 + generator.index(5))
        let streams = (0..<3).map { index in
            TokenStream(
                shape: shape, tokens: 1 + generator.index(seed % 3 == 0 ? 400 : 120), seed: UInt64(seed * 3 + index))
        }
        let threads = 1 + generator.index(ThreadPool.defaultThreadCount)
        let fixture = try CacheFixture(
            configuration, shape: shape, instructionSet: instructionSet, threads: threads)
        let sequences = streams.map { _ in fixture.sequence() }
        var outputs = streams.map { _ in [[Float]](repeating: [], count: shape.layers) }
        let width = shape.queryHeads * shape.heads.headSize
        var cuts = 6
        while zip(sequences, streams).contains(where: { $0.count < $1.tokens }) {
            var parts: [(index: Int, tokens: Int)] = []
            for index in streams.indices {
                if cuts > 0, generator.index(4) == 0 {
                    cuts -= 1
                    let wanted = generator.index(sequences[index].count + 1)
                    let length = sequences[index].truncate(to: wanted)
                    #expect(length == wanted || length < wanted && fixture.plan.windowPageBytes > 0)
                    for layer in 0..<shape.layers {
                        outputs[index][layer].removeSubrange((length * width)...)
                    }
                }
                let left = streams[index].tokens - sequences[index].count
                let tokens = min(left, generator.index(2) == 0 ? 1 : generator.index(50))
                if tokens > 0 { parts.append((index, tokens)) }
            }
            let results = try fixture.step(parts.map { (sequences[$0.index], streams[$0.index], $0.tokens) })
            for (part, result) in zip(parts, results) {
                for layer in 0..<shape.layers { outputs[part.index][layer] += result[layer] }
            }
            #expect(fixture.pool.bytesInUse == sequences.reduce(0) { $0 + $1.bytes })
        }
        let plain = try CacheFixture(configuration, shape: shape, instructionSet: instructionSet)
        for index in streams.indices {
            let fresh = plain.sequence()
            let expected = try plain.run(
                streams[index], chunks: [Int](repeating: 1, count: streams[index].tokens), into: fresh)
            #expect(
                identical(outputs[index], expected),
                "\(configuration), \(instructionSet), \(shape), \(threads) threads")
            #expect(sequences[index].footprint == fresh.footprint)
        }
    }
}

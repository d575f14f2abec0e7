import KvasirCache
import KvasirCodecs
import KvasirModels
import KvasirNumerics
import Testing

/// A token's logits are the same bit for bit however its prompt was cut and whatever ran beside it.
struct BitwiseEqualityTests {
    static let codecs = CodecRegistry.families.compactMap(\.members.first).map(\.name) + ["q4_0/rot", "cq-8c8b/post"]

    /// Long enough for three pages.
    private static let length = 150

    private func expectSame(
        _ runner: Runner, tokens: [Int32], chunkings: [[Int]], _ what: Comment
    ) throws {
        let whole = try runner.run(tokens, in: [tokens.count])
        #expect(whole.allSatisfy { $0.allSatisfy(\.isFinite) })
        for lengths in chunkings {
            let same = try runner.run(tokens, in: lengths) == whole
            #expect(same, "\(what), steps of \(lengths)")
        }
    }

    @Test(arguments: codecs, InstructionSet.supported)
    func chunkingChangesNothing(codec: String, instructionSet: InstructionSet) throws {
        for threads in try [ThreadPool(threadCount: 1), ThreadPool()] {
            for (tiny, precision) in [(TinyModel.tied, LinearPrecision.float32), (.quantized, .int8)] {
                let model = try ModelLoader.load(tiny.file(), threads: threads)
                let runner = try Runner(
                    model, cache: codec, instructionSet: instructionSet, threads: threads, precision: precision)
                try expectSame(
                    runner, tokens: scatteredTokens(Self.length, below: model.info.vocabularySize),
                    chunkings: [[1], [1, 7, 64, 3, 31, 2]],
                    "\(tiny) on \(threads.threadCount) threads")
            }
        }
    }

    /// Beyond 512 tokens attention adds up several ranges, in one of two ways of sharing out the work.
    @Test(arguments: ["f16", "nf4/b256"])
    func chunkingChangesNothingAcrossRanges(codec: String) throws {
        let threads = try ThreadPool()
        let model = try ModelLoader.load(TinyModel.quantized.file(), threads: threads)
        let runner = try Runner(
            model, cache: codec, instructionSet: .best, threads: threads, precision: .int8)
        try expectSame(
            runner, tokens: scatteredTokens(600, below: model.info.vocabularySize),
            chunkings: [[1], [509, 4]],
            "600 tokens")
    }

    @Test(arguments: codecs)
    func threadsChangeNothing(codec: String) throws {
        let tokens = scatteredTokens(Self.length, below: 200)
        let logits = try [ThreadPool(threadCount: 1), ThreadPool()].map { threads in
            let model = try ModelLoader.load(TinyModel.quantized.file(), threads: threads)
            return try Runner(
                model, cache: codec, instructionSet: .best, threads: threads, precision: .int8
            ).run(tokens, in: [70, 1, 1])
        }
        #expect(logits[0] == logits[1])
    }

    @Test(arguments: codecs, InstructionSet.supported)
    func companyChangesNothing(codec: String, instructionSet: InstructionSet) throws {
        for threads in try [ThreadPool(threadCount: 1), ThreadPool()] {
            let model = try ModelLoader.load(TinyModel.quantized.file(), threads: threads)
            let runner = try Runner(
                model, cache: codec, instructionSet: instructionSet, threads: threads, precision: .int8)
            // Prompts of different lengths start together; later they decode together, one of them still in its prompt.
            let prompts = [(90, 1), (33, 2), (140, 3)].map { count, seed in
                scatteredTokens(count, below: model.info.vocabularySize, seed: UInt32(seed))
            }
            let steps = [[60, 31, 20], [29, 1, 50], [1, 1, 70]]
            let sequences = prompts.map { _ in runner.sequence() }
            var together: [[[Float]]] = [[], [], []]
            for lengths in steps {
                let segments = prompts.indices.map { index in
                    let start = sequences[index].count
                    return ForwardStep.Segment(
                        sequence: sequences[index],
                        tokens: Array(prompts[index][start..<min(start + lengths[index], prompts[index].count)]))
                }
                let logits = try runner.run(segments)
                var row = 0
                for (index, segment) in segments.enumerated() {
                    together[index] += logits[row..<row + segment.tokens.count]
                    row += segment.tokens.count
                }
            }
            for (index, prompt) in prompts.enumerated() {
                #expect(together[index].count == prompt.count)
                let same = try runner.run(prompt, in: [prompt.count]) == together[index]
                #expect(same, "sequence \(index) on \(threads.threadCount) threads")
            }
        }
    }

    @Test(arguments: codecs)
    func truncatedTokensLeaveNoTrace(codec: String) throws {
        let threads = try ThreadPool()
        let model = try ModelLoader.load(TinyModel.tied.file(), threads: threads)
        let runner = try Runner(model, cache: codec, instructionSet: .best, threads: threads)
        let first = scatteredTokens(130, below: model.info.vocabularySize, seed: 4)
        let second = scatteredTokens(100, below: model.info.vocabularySize, seed: 5)
        // Within a page, at its edge, and at the beginning.
        for length in [77, 64, 0] {
            let sequence = runner.sequence()
            _ = try runner.run(first, in: [130], into: sequence)
            // What a window no longer has is run again.
            let kept = sequence.truncate(to: length)
            #expect(kept == length || (sequence.plan.windowPageBytes > 0 || sequence.plan.isAdaptive) && kept < length)
            if kept < length { _ = try runner.run(Array(first[kept..<length]), in: [length - kept], into: sequence) }
            let continued = try runner.run(second, in: [100], into: sequence)
            let fresh = try runner.run(first.prefix(length) + second, in: [length + 100])
            #expect(continued == Array(fresh.suffix(100)), "cut to \(length)")
        }
    }
}

import KvasirModels
import KvasirNumerics
import Testing

/// Every family, from every format it has, computes what the reference implementation computes from the same weights.
///
/// Errors are the largest difference in a row of logits over the row's largest magnitude.
struct FamilyLogitsTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let family: TinyFamily
        let format: Checkpoint.Format

        var testDescription: String { "\(family.rawValue) \(format)" }

        static let all = TinyFamily.allCases.flatMap { family in
            family.formats.map { Case(family: family, format: $0) }
        }
    }

    private func runner(
        _ tested: Case, cache: String = "f32", _ instructionSet: InstructionSet = .best, threads: ThreadPool
    ) throws -> Runner {
        let model = try ModelLoader.load(tested.family.checkpoint(tested.format), threads: threads)
        return try Runner(model, cache: cache, instructionSet: instructionSet, threads: threads)
    }

    @Test(arguments: Case.all, InstructionSet.supported)
    func exactCacheGivesTheReferenceLogits(tested: Case, instructionSet: InstructionSet) throws {
        for threads in try [ThreadPool(threadCount: 1), ThreadPool()] {
            let runner = try runner(tested, instructionSet, threads: threads)
            let description = try tested.family.description()
            let logits = try runner.run(description.prompt, in: [100]).suffix(description.positions)
            #expect(try relativeError(Array(logits), tested.family.referenceLogits()) < 1e-4)
        }
    }

    @Test(arguments: Case.all)
    func greedyContinuationIsTheReferences(tested: Case) throws {
        let runner = try runner(tested, threads: ThreadPool())
        let description = try tested.family.description()
        let tokens = try runner.continuation(of: description.prompt, count: description.continuation.count)
        #expect(tokens == description.continuation)
    }

    /// Sliding windows, learned positions and biases depend on a token's own position only.
    @Test(arguments: Case.all, ["f32", "nf4/rot", "nf4; recent=8; sinks=2"])
    func chunkingChangesNothing(tested: Case, cache: String) throws {
        for threads in try [ThreadPool(threadCount: 1), ThreadPool()] {
            let runner = try runner(tested, cache: cache, threads: threads)
            let prompt = try tested.family.description().prompt
            let whole = try runner.run(prompt, in: [prompt.count])
            for lengths in [[1], [7, 16, 3]] {
                let same = try runner.run(prompt, in: lengths) == whole
                #expect(same, "steps of \(lengths)")
            }
        }
    }

    /// Beyond several pages and several ranges of attention, with windows that lie across their edges.
    @Test(arguments: ["f32", "nf4/rot", "nf4; recent=8; sinks=2"])
    func longSlidingWindowsDoNotDependOnChunks(cache: String) throws {
        var draft = try TinyFamily.mistral.folder()
        draft.configuration["sliding_window"] = 100
        draft.configuration["max_position_embeddings"] = 4096
        for threads in try [ThreadPool(threadCount: 1), ThreadPool()] {
            let model = try ModelLoader.load(draft.checkpoint(), threads: threads)
            let runner = try Runner(model, cache: cache, instructionSet: .best, threads: threads)
            let tokens = scatteredTokens(700, below: 64)
            let whole = try runner.run(tokens, in: [tokens.count])
            for lengths in [[128], [1, 130, 65]] {
                let same = try runner.run(tokens, in: lengths) == whole
                #expect(same, "steps of \(lengths)")
            }
        }
    }

    /// A window is what a fresh sequence of the window's tokens would see: with one layer nothing reaches further.
    @Test func tokensBeforeTheWindowDoNotMatter() throws {
        let threads = try ThreadPool()
        var draft = try TinyFamily.mistral.folder()
        draft.configuration["max_position_embeddings"] = 4096
        let model = try ModelLoader.load(draft.checkpoint(), threads: threads)
        let runner = try Runner(model, cache: "f32", instructionSet: .best, threads: threads)
        let tokens = scatteredTokens(200, below: 64)
        var other = tokens
        for index in 0..<190 { other[index] = (other[index] + 1) % 64 }
        let rows = try [tokens, other].map { try runner.run($0, in: [64]) }
        #expect(rows[0][199] == rows[1][199], "the last 10 are the same")
        #expect(rows[0][198] != rows[1][198], "one of the 10 before differs")
    }

    @Test func channelOrderIsAPropertyOfTheModel() throws {
        let orders: [(TinyFamily, Checkpoint.Format, ChannelOrder?)] = [
            (.llama, .gguf, .interleaved), (.llama, .huggingFace, .halves), (.qwen2, .gguf, .halves),
            (.gemma3, .gguf, .halves), (.gpt2, .gguf, nil), (.opt, .huggingFace, nil),
        ]
        for (family, format, order) in orders {
            #expect(try ModelLoader.info(family.checkpoint(format)).channelOrder == order)
        }
    }
}

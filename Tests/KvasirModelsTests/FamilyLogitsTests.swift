import Foundation
import KvasirCache
import KvasirCodecs
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
            let error = try relativeError(Array(logits), tested.family.referenceLogits())
            #expect(error < 1e-4)
            // For the table of docs/models.md.
            if ProcessInfo.processInfo.environment["KVASIR_PRINT_ERRORS"] != nil {
                print("logit error: \(tested.testDescription) \(instructionSet) \(error)")
            }
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

    /// Pages before the window are given back, and a sequence that is cut goes on as a fresh one.
    @Test(arguments: ["f32", "nf4; recent=8; sinks=2"])
    func sequenceWithWindowsCanBeCut(cache: String) throws {
        let threads = try ThreadPool()
        for family in [TinyFamily.mistral, .gemma3] {
            var draft = try family.folder()
            draft.configuration["max_position_embeddings"] = 4096
            let model = try ModelLoader.load(draft.checkpoint(), threads: threads)
            let runner = try Runner(model, cache: cache, instructionSet: .best, threads: threads)
            let tokens = scatteredTokens(400, below: 64)
            let whole = try runner.run(tokens, in: [64])
            for length in [399, 340, 336, 200, 30] {
                let sequence = runner.sequence()
                _ = try runner.run(tokens, in: [64], into: sequence)
                #expect(sequence.bytes == runner.plan.bytes(forTokens: 400))
                let kept = sequence.truncate(to: length)
                #expect(kept == length || kept < length && length < 400 - 64)
                let rest = try runner.run(Array(tokens[kept...]), in: [64], into: sequence)
                #expect(rest == Array(whole[kept...]))
            }
        }
    }

    @Test func largeKeyBiasesAreFoundInTheWeights() throws {
        let threads = try ThreadPool(threadCount: 1)
        let tame = try ModelLoader.load(TinyFamily.qwen2.checkpoint(.gguf), threads: threads)
        #expect(tame.info.cacheShape.keyBiases.count == 2)
        #expect(tame.info.cacheShape.keyBiases.allSatisfy { $0 > 0.05 && $0 < 3 })
        #expect(try Runner(tame, cache: "nf4", instructionSet: .best, threads: threads).plan.warnings.isEmpty)

        var draft = try TinyFamily.qwen2.folder()
        try draft.setValues("model.layers.1.self_attn.k_proj.bias", [Float16](repeating: -100, count: 16))
        let wild = try ModelLoader.load(draft.checkpoint(), threads: threads)
        for (cache, warns) in [("nf4", true), ("nf4/rot", true), ("K=q8_0,V=nf4", false), ("f16", false)] {
            let plan = try Runner(wild, cache: cache, instructionSet: .best, threads: threads).plan
            #expect(plan.warnings.count == (warns ? 1 : 0))
            if warns {
                #expect(plan.warnings.first?.contains("layers 1,") == true)
                #expect(plan.warnings.first?.contains("K=kivi4") == true)
            }
        }
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

import Foundation
import KvasirCache
import KvasirEngine
import KvasirModels
import Testing

@testable import KvasirEvaluation

/// Scoring many items side by side, what they have in common once, beside scoring every request alone.
struct SharedPrefixTests {
    /// Every request from an empty cache, in steps of another length, with the logits of all its rows.
    private func alone(_ request: TaskRequest, _ engine: InferenceEngine) throws -> Double {
        let tokens = try RequestTokens(
            request, tokenizer: engine.model.tokenizer, contextLength: engine.contextLength)
        let sequence = engine.makeSequence()
        let width = engine.vocabularySize
        var sum = 0.0
        for start in stride(from: 0, to: tokens.input.count, by: 50) {
            let end = min(start + 50, tokens.input.count)
            try engine.run(ForwardStep([.init(sequence: sequence, tokens: Array(tokens.input[start..<end]))]))
            var logits = [Float](repeating: 0, count: (end - start) * width)
            logits.withUnsafeMutableBufferPointer { engine.logits(rows: 0..<end - start, into: $0) }
            for position in max(start, tokens.firstScored)..<max(end, tokens.firstScored) {
                let row = Array(logits[(position - start) * width..<(position - start + 1) * width])
                let chosen = tokens.continuation[position - tokens.firstScored]
                sum += Double(
                    try LogProbabilities(logits: row.span, chosen: chosen, topCount: 0).chosen.logProbability)
            }
        }
        return sum
    }

    @Test(
        arguments: ["piqa", "winogrande", "hellaswag", "arc_challenge", "boolq"],
        // Plain, rotated, groups of tokens with a window of their own, windows that a long branch leaves behind.
        ["f16", "nf4/b32/rot", "kivi2/g32/r32", "nf4/b32; recent=32", "q8_0; recent=16; sinks=4"])
    func sharingChangesNothing(name: String, cache: String) throws {
        // Heads of 32 channels, which all of these codecs take.
        let engine = try TinyModel.engine("separate", cache: cache, contextLength: 384)
        let file = try TaskFixture.task(name).file()
        let planned = try PlannedTask(file, model: engine.model, contextLength: engine.contextLength)
        let scorer = ItemScorer(engine: engine)
        let scores = try scorer.score(planned.plans)
        #expect(engine.pool.bytesInUse == 0)
        for (score, item) in zip(scores, file.items) {
            #expect(score.logLikelihoods == (try item.requests.map { try alone($0, engine) }), "item \(item.id)")
        }
        // Nor does it matter which items are computed together.
        let some = try scorer.score(Array(planned.plans[3..<5]))
        #expect(some == Array(scores[3..<5]))
    }

    @Test func commonBeginningIsComputedOnce() throws {
        let engine = try TinyModel.engine(cache: "f16")
        let tokenizer = engine.model.tokenizer
        func plan(_ requests: [TaskRequest]) throws -> ItemPlan {
            try ItemPlan(
                TaskItem(id: 0, requests: requests, choices: requests.map(\.continuation), gold: 0),
                tokenizer: tokenizer, contextLength: 64)
        }
        // One token each: the model reads the same, whichever is asked for.
        let yesOrNo = try plan([.init(context: "abc", continuation: "d"), .init(context: "abc", continuation: "e")])
        #expect(yesOrNo.branches.count == 1)
        #expect(yesOrNo.branches.first?.lookups.map(\.request) == [0, 1])
        #expect(yesOrNo.prefix == 2 && yesOrNo.tokens == 3)
        // The context once but for its last token, whose row predicts; then what follows it.
        let longer = try plan([.init(context: "abc", continuation: "def"), .init(context: "abc", continuation: "xyz")])
        #expect(longer.branches.count == 2)
        #expect(longer.prefix == 2 && longer.tokens == 2 + 3 + 3)
        // Contexts that differ.
        let gaps = try plan([.init(context: "abcd", continuation: "x"), .init(context: "abeef", continuation: "x")])
        #expect(gaps.prefix == 2 && gaps.branches.map(\.input.count) == [4, 5])
        // Nothing in common.
        #expect(try plan([.init(context: "a", continuation: "x"), .init(context: "b", continuation: "x")]).prefix == 0)
    }

    @Test func batchesHoldAllItemsInOrderAndFewPages() throws {
        let engine = try TinyModel.engine(cache: "f16")
        let task = try ZeroShotTask(named: "boolq")
        let lines = Array(repeatElement(try TaskFixture.task("boolq").lines, count: 8).joined())
        let file = try TaskFile(task, lines: lines, name: "boolq.jsonl")
        let batches = try PlannedTask(file, model: engine.model, contextLength: engine.contextLength).batches
        #expect(batches.count > 2)
        #expect(batches.flatMap(Array.init) == Array(file.items.indices))
        #expect(batches.allSatisfy { !$0.isEmpty })
    }
}

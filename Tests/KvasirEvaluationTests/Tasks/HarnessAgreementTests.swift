import Foundation
import KvasirEngine
import KvasirModels
import Testing

@testable import KvasirEvaluation

/// Requests, token ids, likelihoods and metrics beside those of lm-evaluation-harness.
struct HarnessAgreementTests {
    static let tasks = ZeroShotTask.all.map(\.name)

    @Test func everyTaskIsCompared() throws {
        let fixture = try TaskFixture.load()
        #expect(fixture.tasks.map(\.task) == Self.tasks)
        #expect(fixture.tasks.allSatisfy { $0.items.count >= 10 })
    }

    @Test(arguments: tasks)
    func requestsAreThoseOfTheHarness(name: String) throws {
        let expected = try TaskFixture.task(name)
        let task = try ZeroShotTask(named: name)
        #expect(task.version == expected.version)
        #expect(task.metrics.map(\.rawValue) == expected.metrics)
        let file = try expected.file()
        #expect(file.items.count == expected.items.count)
        for (item, expected) in zip(file.items, expected.items) {
            // Compared as bytes: equal strings of Swift may differ in composition.
            let requests = item.requests.map { [Array($0.context.utf8), Array($0.continuation.utf8)] }
            #expect(
                requests == expected.requests.map { $0.map { Array($0.utf8) } }, "item \(item.id): \(item.requests)")
            #expect(item.gold == expected.gold)
            #expect(item.choices.count == expected.requests.count)
        }
    }

    @Test(arguments: ["tied", "separate"])
    func tokensAreThoseOfTheHarness(model: String) throws {
        let tokenizer = try TinyModel.engine(model, cache: "f32").model.tokenizer
        for pair in try TaskFixture.load().pairs {
            let expected = model == "tied" ? pair.tied : pair.separate
            let tokens = try RequestTokens(
                TaskRequest(context: pair.context, continuation: pair.continuation), tokenizer: tokenizer,
                contextLength: 64)
            #expect(tokens.continuation == expected[1], "\(pair)")
            #expect(tokens.input == Array((expected[0] + expected[1]).dropLast()), "\(pair)")
            #expect(tokens.firstScored == expected[0].count - 1)
            #expect(!tokens.isTruncated)
        }
    }

    /// The whole way, with contexts that are too long for the model among them: the harness with the reference
    /// implementation in float32 on one side, the engine in float32 on the other.
    @Test(arguments: tasks, ["tied", "separate"])
    func likelihoodsAreThoseOfTheHarness(name: String, model: String) throws {
        let fixture = try TaskFixture.load()
        let expected = try TaskFixture.task(name)
        let engine = try TinyModel.engine(
            model, cache: "f32", contextLength: fixture.context, precision: .float32)
        let planned = try PlannedTask(expected.file(), model: engine.model, contextLength: engine.contextLength)
        let result = try #require(try TaskEvaluation([planned]).run(engines: [engine]).first)
        let scores = try #require(result.caches.first)
        #expect(scores.map(\.item) == Array(expected.items.indices))
        for (score, item) in zip(scores, expected.items) {
            let expected = model == "tied" ? item.tied : item.separate
            for (choice, (own, theirs)) in zip(score.logLikelihoods, expected.loglikelihoods).enumerated() {
                // Logits of some 10 whose float32 sums are taken in another order, for every token.
                #expect(abs(own - theirs) < 4e-5 * Double(score.tokens[choice]), "item \(score.item), \(choice)")
            }
            #expect(score.isCorrect(.accuracy) == (expected.acc == 1), "item \(score.item)")
            if let accNorm = expected.accNorm {
                #expect(score.isCorrect(.normalizedAccuracy) == (accNorm == 1), "item \(score.item)")
            }
        }
        #expect(result.truncatedItems == scores.count { $0.isTruncated })
        if name == "boolq" { #expect(result.truncatedItems > 0) }
    }
}

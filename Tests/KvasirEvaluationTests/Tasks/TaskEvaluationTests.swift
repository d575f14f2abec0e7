import Foundation
import KvasirEngine
import KvasirModels
import Testing

@testable import KvasirEvaluation

/// Whole runs: several tasks, several caches, journal, report and log.
struct TaskEvaluationTests {
    private struct Setup {
        let evaluation: TaskEvaluation
        let engines: [InferenceEngine]

        init(_ tasks: [String], caches: [String]) throws {
            let engines = try caches.map { try TinyModel.engine("separate", cache: $0, contextLength: 384) }
            evaluation = try TaskEvaluation(
                tasks.map {
                    try PlannedTask(TaskFixture.task($0).file(), model: engines[0].model, contextLength: 384)
                })
            self.engines = engines
        }
    }

    private let fingerprint = RunFingerprint(kind: .tasks, parts: ["data": "fixture"])

    @Test func everyCacheAnswersTheSameItems() throws {
        let setup = try Setup(["piqa", "rte"], caches: ["f16", "nf2", "f16"])
        var reports: [EvaluationProgress] = []
        let scores = try setup.evaluation.run(
            engines: setup.engines, run: EvaluationRun(onProgress: { reports.append($0) }))
        #expect(scores.map(\.task.name) == ["piqa", "rte"])
        for (task, fixture) in zip(scores, try ["piqa", "rte"].map(TaskFixture.task)) {
            #expect(task.caches.count == 3)
            for cache in task.caches { #expect(cache.map(\.item) == Array(fixture.items.indices)) }
            #expect(task.caches[0] == task.caches[2])
            #expect(task.caches[0].map(\.logLikelihoods) != task.caches[1].map(\.logLikelihoods))
        }
        #expect(reports.count == 3 * (12 + 11) && reports.allSatisfy { $0.total == reports.count })
        #expect(Set(reports.map(\.detail)) == ["piqa", "rte"])
    }

    @Test func whatIsInTheJournalIsNotComputedAgain() throws {
        let setup = try Setup(["winogrande", "arc_easy"], caches: ["f16", "nf4/b32"])
        let whole = try setup.evaluation.run(engines: setup.engines)
        try withTemporaryFile { path in
            var left = 5
            #expect(throws: EvaluationCancelled.self) {
                let journal = try RunJournal(path: path, fingerprint: fingerprint)
                // Asked before every item that the batch at hand has not brought with it.
                let run = EvaluationRun(
                    journal: journal, isCancelled: { left == 0 }, onProgress: { _ in left = max(left - 1, 0) })
                _ = try setup.evaluation.run(engines: setup.engines, run: run)
            }
            // Journals may have gaps: of a file that was cut, every other line of what is left.
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
            #expect(lines.count == 6)
            let kept = lines.enumerated().filter { $0.offset % 2 == 0 }.map { "\($0.element)\n" }.joined()
            try kept.write(toFile: path, atomically: true, encoding: .utf8)
            var last: EvaluationProgress?
            let run = EvaluationRun(
                journal: try RunJournal(path: path, fingerprint: fingerprint), onProgress: { last = $0 })
            let resumed = try setup.evaluation.run(engines: setup.engines, run: run)
            #expect(resumed.map(\.caches) == whole.map(\.caches))
            #expect(last?.resumed == 2 && last?.finished == last?.total)
        }
    }

    /// An exact prompt of everything before the row that predicts the first token, then the rest, for every request alone.
    @Test(arguments: ["winogrande", "hellaswag"], ["nf2", "f32", "nf2; recent=16"])
    func exactContextsReadNoCache(name: String, cache: String) throws {
        let setup = try Setup([name], caches: [cache])
        let (engine, exact) = (setup.engines[0], try TinyModel.engine("separate", cache: "f32", contextLength: 384))
        let result = try #require(try setup.evaluation.run(engines: [engine], exact: exact).first?.caches.first)
        let prompts = ExactPrefill(into: engine, exact: exact)
        let width = engine.vocabularySize
        for (score, item) in zip(result, setup.evaluation.tasks[0].file.items) {
            for (request, expected) in zip(item.requests, score.logLikelihoods) {
                let tokens = try RequestTokens(request, tokenizer: engine.model.tokenizer, contextLength: 384)
                let sequence = engine.makeSequence()
                try prompts.run(tokens.input[..<tokens.firstScored], into: sequence)
                let rest = Array(tokens.input[tokens.firstScored...])
                try engine.run(ForwardStep([.init(sequence: sequence, tokens: rest)]))
                var logits = [Float](repeating: 0, count: rest.count * width)
                logits.withUnsafeMutableBufferPointer { engine.logits(rows: rest.indices, into: $0) }
                var sum = 0.0
                for (row, token) in tokens.continuation.enumerated() {
                    let logits = Array(logits[row * width..<(row + 1) * width])
                    sum += Double(
                        try LogProbabilities(logits: logits.span, chosen: token, topCount: 0).chosen.logProbability)
                }
                #expect(sum == expected, "item \(item.id)")
            }
        }
        let plain = try setup.evaluation.run(engines: [engine]).first?.caches.first
        #expect((plain == result) == (cache == "f32"), "it makes a difference where the cache rounds")
    }

    @Test func reportHasTheMetricsOfEveryTaskAndTheChange() throws {
        func scores(_ right: [Bool]) -> [ItemScore] {
            right.enumerated().map {
                ItemScore(
                    item: $0, gold: $1 ? 0 : 1, logLikelihoods: [-1, -2], lengths: [1, 1], tokens: [1, 1])
            }
        }
        let engines = try ["f16", "nf4/b32"].map { try TinyModel.engine("separate", cache: $0) }
        let report = TaskReport(
            [
                TaskScores(
                    task: try ZeroShotTask(named: "piqa"), truncatedItems: 0,
                    caches: [scores([true, true, true, false]), scores([true, false, true, false])]),
                TaskScores(
                    task: try ZeroShotTask(named: "boolq"), truncatedItems: 2,
                    caches: [scores([true, false]), scores([true, true])]),
            ], plans: engines.map(\.plan))
        let (first, second) = (report.caches[0], report.caches[1])
        #expect(report.caches.map(\.cache) == ["f16", "nf4/b32"])
        #expect(first.bitsPerValueK == 16 && second.bitsPerValueV == 4.5)
        #expect(first.tasks.map(\.task) == ["piqa", "piqa", "boolq"])
        #expect(first.tasks.map(\.metric) == [.accuracy, .normalizedAccuracy, .accuracy])
        #expect(first.tasks.map(\.version) == ["1.0", "1.0", "2.0"])
        #expect(first.tasks.map(\.truncatedItems) == [0, 0, 2] && first.tasks.map(\.items) == [4, 4, 2])
        #expect(first.tasks[0].share.value == 0.75 && first.tasks[0].share.difference == nil)
        #expect(first.average?.value == 0.625 && first.average?.difference == nil)
        #expect(second.tasks.map(\.share.difference) == [-0.25, -0.25, 0.5])
        #expect(second.average?.value == 0.75 && second.average?.difference == 0.125)
        // -1 once of four: sample variance 1/4; +1 once of two: 1/2.
        let error = (0.25 / 4 + 0.5 / 2).squareRoot() / 2
        #expect(abs(try #require(second.average?.differenceError) - error) < 1e-15)
        #expect(
            try ResultCoding.decode(TaskReport.self, from: ResultCoding.encode(report), name: "report") == report)
    }

    @Test func logHasALineForEveryAnswer() throws {
        let setup = try Setup(["arc_challenge"], caches: ["f16", "q8_0"])
        let scores = try setup.evaluation.run(engines: setup.engines)
        let log = String(decoding: try TaskLog.lines(scores, caches: ["f16", "q8_0"]), as: UTF8.self)
        let lines = try log.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        #expect(lines.count == 2 * 10)
        #expect(lines.map { $0["cache"] as? String } == (0..<20).map { $0 < 10 ? "f16" : "q8_0" })
        // The scores themselves come back bit for bit.
        let own = try log.split(separator: "\n").map { try JSONDecoder().decode(ItemScore.self, from: Data($0.utf8)) }
        #expect(own == Array(scores[0].caches.joined()))
        for (line, score) in zip(lines, scores[0].caches.joined()) {
            #expect(
                line.keys.sorted() == [
                    "cache", "correct", "gold", "item", "lengths", "logLikelihoods", "prediction", "task", "tokens",
                    "truncated",
                ])
            #expect(line["item"] as? Int == score.item && line["task"] as? String == "arc_challenge")
            #expect(line["lengths"] as? [Int] == score.lengths && line["tokens"] as? [Int] == score.tokens)
            #expect(
                line["prediction"] as? [String: Int] == [
                    "acc": score.prediction(.accuracy), "acc_norm": score.prediction(.normalizedAccuracy),
                ])
            #expect((line["correct"] as? [String: Bool])?["acc"] == score.isCorrect(.accuracy))
        }
    }

    @Test func noTaskAndOneTwiceAreRefused() throws {
        #expect(throws: EvaluationError.self) { try TaskEvaluation([]) }
        let error = #expect(throws: EvaluationError.self) { try Setup(["rte", "rte"], caches: ["f16"]) }
        #expect(error?.description.contains("'rte' twice") == true)
    }
}

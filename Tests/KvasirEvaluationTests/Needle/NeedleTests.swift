import Foundation
import KvasirCache
import KvasirEngine
import KvasirTokenizers
import Testing

@testable import KvasirEvaluation

struct NeedleTests {
    private func evaluation(
        lengths: [Int] = [400, 600], depths: [Int] = [0, 50, 100], trials: Int = 2, mode: NeedleMode = .single,
        candidates: Int = 5, seed: UInt64 = 3, haystack: Haystack = .generated
    ) throws(EvaluationError) -> NeedleEvaluation {
        try NeedleEvaluation(
            lengths: lengths, depths: depths, trials: trials, mode: mode, candidates: candidates, seed: seed,
            haystack: haystack)
    }

    private func texts(_ trial: NeedleTrial, _ model: LanguageModel) -> [String] {
        trial.prompts.map { model.tokenizer.decode($0.tokens) }
    }

    @Test func promptsHideTheNumberWhereItWasAskedFor() throws {
        let model = try TinyModel.engine().model
        let trial = try evaluation(lengths: [900]).trial(length: 900, number: 0, model: model)
        #expect(trial.prompts.map(\.depth) == [100, 50, 0])
        #expect(trial.candidates.count == 5 && Set(trial.candidates).count == 5)
        #expect(trial.candidates.allSatisfy { $0.count == 5 && $0.first != "0" })
        for (prompt, text) in zip(trial.prompts, texts(trial, model)) {
            let needle = "The pass key is \(trial.candidates[0]). Remember it."
            let place = try #require(text.range(of: needle))
            #expect(text.hasSuffix("What is the pass key?\nThe pass key is"))
            // By characters of the text between introduction and question.
            let parts = text.components(separatedBy: "\n\n")
            #expect(parts.count == 3)
            let before = parts[1].distance(
                from: parts[1].startIndex, to: try #require(parts[1].range(of: needle)).lowerBound)
            let around = parts[1].count - needle.count
            #expect(abs(Double(before) / Double(around) - Double(prompt.depth) / 100) < 0.15)
            #expect(text[place.upperBound...].range(of: needle) == nil)
            // No other number: a distractor of a single question is nowhere to be read.
            #expect(trial.candidates.dropFirst().allSatisfy { !text.contains($0) })
            // The number and its answer fill the length to within a sentence.
            let used = prompt.tokens.count + trial.continuations[0].count + NeedleEvaluation.answerSlack
            #expect(used <= 900 && used > 900 - 130, "\(used)")
        }
    }

    @Test func multiplePromptsAskForOneOfAllKeys() throws {
        let model = try TinyModel.engine().model
        let trial = try evaluation(lengths: [1000], mode: .multi(keys: 4)).trial(length: 1000, number: 1, model: model)
        for text in texts(trial, model) {
            // All four numbers stand in the text, the fifth candidate does not.
            #expect(trial.candidates.prefix(4).allSatisfy { text.contains($0) })
            #expect(!text.contains(trial.candidates[4]))
            let name = try #require(text.split(separator: " ").dropLast().last)
            #expect(text.hasSuffix("The magic number of the \(name) is"))
            #expect(text.contains("The magic number of the \(name) is \(trial.candidates[0])."))
        }
        // At every depth the same sentences.
        let sorted = texts(trial, model).map { text in
            text.components(separatedBy: "\n\n")[1].components(separatedBy: ". ")
                .map { $0.trimmingCharacters(in: ["."]) }.sorted()
        }
        #expect(sorted[0] == sorted[1] && sorted[1] == sorted[2])
    }

    @Test func theSeedDecidesEverything() throws {
        let model = try TinyModel.engine().model
        func texts(_ seed: UInt64, _ number: Int) throws -> [String] {
            self.texts(try evaluation(seed: seed).trial(length: 400, number: number, model: model), model)
        }
        #expect(try texts(1, 0) == texts(1, 0))
        #expect(try texts(1, 0) != texts(2, 0))
        #expect(try texts(1, 0) != texts(1, 1))
    }

    @Test func theSameQuestionsWithEveryCache() throws {
        let evaluation = try evaluation(trials: 2)
        let engines = try ["f32", "f32", "nf2"].map { try TinyModel.engine(cache: $0, contextLength: 600) }
        var units: [Int] = []
        let answers = try evaluation.run(engines: engines, run: EvaluationRun(onProgress: { units.append($0.total) }))
        #expect(units == [Int](repeating: 12, count: 12))
        #expect(answers.map(\.count) == [12, 12, 12])
        #expect(answers[0] == answers[1])
        #expect(answers[0].map(\.expected) == answers[2].map(\.expected))
        #expect(answers[0].map(\.promptTokens) == answers[2].map(\.promptTokens))
        #expect(answers[0].map(\.logLikelihood) != answers[2].map(\.logLikelihood))
        #expect(answers[0].allSatisfy { (1...5).contains($0.rank) && $0.logLikelihood < 0 })

        // A random model knows nothing: likelihood and text are those of a fresh reader.
        let trial = try evaluation.trial(length: 600, number: 1, model: engines[2].model)
        let fresh = try NeedleReader(TinyModel.engine(cache: "nf2", contextLength: 600)).answers(to: trial)
        #expect(fresh == Array(answers[2].suffix(3)))
    }

    /// Where bits follow attention the report has those that tokens came to have, not the most they may have.
    @Test func bitsThatFollowAttentionAreMeasured() throws {
        let evaluation = try evaluation(lengths: [400], depths: [50], trials: 1)
        let engines = try ["qaq/min2/max6", "nf4"].map { try TinyModel.engine(cache: $0, contextLength: 600) }
        let answers = try evaluation.run(engines: engines)
        let report = NeedleReport(answers, plans: engines.map(\.plan), candidates: 5)
        let measured = try #require(report.caches[0].measuredBits)
        #expect(measured.values?.bitsPerValue == report.caches[0].bitsPerValueV)
        #expect(report.caches[0].bitsPerValueV < engines[0].plan.bitsPerValueV)
        #expect(report.caches[1].measuredBits == nil && report.caches[1].bitsPerValueK == engines[1].plan.bitsPerValueK)
        let decoded = try JSONDecoder().decode([NeedleAnswer].self, from: JSONEncoder().encode(answers[0]))
        #expect(decoded == answers[0])
    }

    @Test func gridsCountAnswers() throws {
        func answer(_ length: Int, _ depth: Int, _ text: String, _ rank: Int) -> NeedleAnswer {
            NeedleAnswer(
                length: length, depth: depth, trial: 0, promptTokens: length - 9, expected: "12345", text: text,
                rank: rank, logLikelihood: -Double(rank))
        }
        let grid = NeedleCell.grid(of: [
            answer(512, 100, " 12345.", 1), answer(512, 0, " 1234.", 4), answer(512, 100, " 54321", 1),
            answer(256, 50, " 12345 12346", 2),
        ])
        #expect(grid.map(\.length) == [256, 512, 512] && grid.map(\.depth) == [50, 0, 100])
        #expect(grid.map(\.exact) == [1, 0, 1])
        #expect(grid.map(\.first) == [0, 0, 2])
        #expect(grid.map(\.trials) == [1, 1, 2])
        #expect(grid.map(\.meanRank) == [2, 4, 1] && grid.map(\.meanLogLikelihood) == [-2, -4, -1])
    }

    @Test(arguments: [
        (" 12345", true), (" 12345.", true), ("12345 67890", true), (" the number 12345", true), (" 123456", false),
        (" 1 2 3 4 5", false), ("", false), (" none", false), (" 54321 12345", false), (" ١٢٣٤٥", false),
    ])
    func theFirstNumberDecides(text: String, isExact: Bool) {
        let answer = NeedleAnswer(
            length: 0, depth: 0, trial: 0, promptTokens: 0, expected: "12345", text: text, rank: 1, logLikelihood: 0)
        #expect(answer.isExact == isExact)
        #expect(NeedleAnswer.isDecided(text) == ["12345.", "12345 ", "1 2", "54321 "].contains { text.contains($0) })
    }

    @Test func aGivenTextIsCutIntoSentences() throws {
        let text = "One  line\nbreak. \"Is it?\" she asked! And 3.5 is (no end.) The last"
        var sentences: Set<String> = []
        for seed in 0..<20 as Range<UInt64> { sentences.formUnion(try Haystack(text: text).sentences(seed: seed)) }
        #expect(sentences == ["One line break.", "\"Is it?\"", "she asked!", "And 3.5 is (no end.)", "The last"])
        // Every sentence once, from a random one on.
        let order = Array(try Haystack(text: text).sentences(seed: 4))
        #expect(order.count == 5 && Set(order) == sentences)

        let model = try TinyModel.engine().model
        let long = (0..<60).map { "Sentence number \(String(repeating: "x", count: $0)) here." }.joined(separator: " ")
        let given = try evaluation(lengths: [500], haystack: Haystack(text: long))
        let prompt = texts(try given.trial(length: 500, number: 0, model: model), model)[0]
        #expect(prompt.contains("xxx here. "))
        let short = #expect(throws: EvaluationError.self) {
            try evaluation(lengths: [500], haystack: Haystack(text: text)).trial(length: 500, number: 0, model: model)
        }
        #expect(short?.description.contains("a text of 5 sentences") == true)
    }

    @Test func whatCannotBeAskedIsRefused() throws {
        func refuses(_ text: String, _ make: () throws -> NeedleEvaluation) {
            let error = #expect(throws: EvaluationError.self) { try make() }
            #expect(error?.description.contains(text) == true, "\(error?.description ?? "nothing")")
        }
        refuses("no lengths") { try evaluation(lengths: []) }
        refuses("no depths") { try evaluation(depths: []) }
        refuses("length of 127 tokens") { try evaluation(lengths: [512, 127]) }
        refuses("depth 101") { try evaluation(depths: [0, 101]) }
        refuses("depth -1") { try evaluation(depths: [-1]) }
        refuses("twice") { try evaluation(depths: [50, 50]) }
        refuses("twice") { try evaluation(lengths: [512, 512]) }
        refuses("0 trials") { try evaluation(trials: 0) }
        refuses("1 keys") { try evaluation(mode: .multi(keys: 1)) }
        refuses("25 keys") { try evaluation(mode: .multi(keys: 25)) }
        refuses("1 candidates") { try evaluation(candidates: 1) }
        refuses("5 candidates") { try evaluation(mode: .multi(keys: 6), candidates: 5) }
        #expect(throws: EvaluationError.self) { try Haystack(text: " \n ") }

        let engine = try TinyModel.engine(contextLength: 500)
        let long = #expect(throws: EvaluationError.self) { try evaluation().run(engines: [engine]) }
        #expect(long?.description.contains("600") == true && long?.description.contains("500") == true)
        #expect(engine.pool.peakBytes == 0)
        // Twenty-four sentences are more than 128 tokens.
        let crowded = #expect(throws: EvaluationError.self) {
            try evaluation(lengths: [128], mode: .multi(keys: 24), candidates: 24)
                .trial(length: 128, number: 0, model: engine.model)
        }
        #expect(crowded?.description.contains("24 hidden numbers") == true)
    }
}

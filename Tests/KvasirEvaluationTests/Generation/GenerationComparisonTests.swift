import KvasirCache
import KvasirEngine
import KvasirTokenizers
import Testing

@testable import KvasirEvaluation

struct GenerationComparisonTests {
    private func prompts(_ engine: InferenceEngine) throws -> [[Int32]] {
        try GenerationPrompts.tokens(of: ["The other day, in the thin", "A tall man"], model: engine.model)
    }

    @Test func aCacheWritesItsOwnTextAgain() throws {
        let reference = try TinyModel.engine(cache: "f16")
        let comparisons = try GenerationComparison(tokens: 40).run(
            prompts: prompts(reference), reference: reference, subjects: [TinyModel.engine(cache: "f16")])
        #expect(comparisons.count == 2)
        for comparison in comparisons {
            let subject = comparison.subjects[0]
            #expect(comparison.tokens.count == 40 && subject.tokens == comparison.tokens)
            #expect(subject.firstDifference == nil)
            #expect(subject.divergences.count == 40 && subject.divergences.allSatisfy { $0 < 1e-12 })
            #expect(subject.sameTop == 40 && subject.repetition == comparison.repetition)
        }
        let summary = GenerationSummary(comparisons, subject: 0)
        #expect(summary.identical == 2 && summary.medianFirstDifference == 40)
        #expect(summary.sameTopShare == 1 && summary.meanDivergence < 1e-12)
    }

    /// Up to the first token that differs both have read the same, so it is where the reference's text is not what the
    /// cache expects most.
    @Test func theFirstDifferenceIsWhereTheExpectationsPart() throws {
        let reference = try TinyModel.engine(cache: "f32")
        let subject = try TinyModel.engine(cache: "nf2/b32")
        let prompt = try prompts(reference)[0]
        let comparison = try GenerationComparison(tokens: 60).compare(
            prompt: prompt, reference: reference, subjects: [subject])
        let result = comparison.subjects[0]
        let first = try #require(result.firstDifference)
        #expect(Array(result.tokens[..<first]) == Array(comparison.tokens[..<first]))
        #expect(result.tokens[first] != comparison.tokens[first])
        #expect(result.sameTop >= first && result.sameTop < 60)

        // The divergence at some positions, from two fresh readers.
        for position in [0, first, 59] {
            let before = prompt + comparison.tokens[..<position]
            let (expected, actual) = try (distribution(reference, before), distribution(subject, before))
            #expect(abs(expected.divergence(to: actual) - result.divergences[position]) < 1e-9)
        }
    }

    private func distribution(_ engine: InferenceEngine, _ tokens: [Int32]) throws -> TokenDistribution {
        try engine.prefill(tokens[...], into: engine.makeSequence())
        var logits = [Float](repeating: 0, count: engine.vocabularySize)
        logits.withUnsafeMutableBufferPointer {
            engine.logits(rows: engine.lastRow..<engine.lastRow + 1, into: $0)
        }
        return TokenDistribution(logits: logits[...])
    }

    @Test func tokensThatEndATextAreNeverChosen() throws {
        let engine = try TinyModel.engine()
        let comparison = try GenerationComparison(tokens: 200).compare(
            prompt: prompts(engine)[0], reference: engine, subjects: [])
        #expect(comparison.tokens.count == 200)
        #expect(engine.model.tokenizer.endOfGenerationIDs.isDisjoint(with: comparison.tokens))
    }

    @Test(arguments: [
        ([1, 2, 3, 4, 5], 4, 0.0), ([1, 2, 1, 2, 1, 2], 2, 0.6), ([7, 7, 7, 7, 7], 4, 0.5), ([1, 2, 3], 4, 0.0),
        ([], 1, 0.0), ([1, 1], 1, 0.5),
    ])
    func repetitionCountsGramsThatOccurredBefore(tokens: [Int32], n: Int, share: Double) {
        #expect(abs(Repetition.share(of: tokens, n: n) - share) < 1e-12)
    }

    @Test func summariesAreMeansOverPrompts() {
        func subject(_ first: Int?, _ divergences: [Double], _ same: Int) -> PromptComparison.Subject {
            var subject = PromptComparison.Subject(tokens: [1, 2, 3, 4], firstDifference: first, repetition: 0.25)
            subject.divergences = divergences
            subject.sameTop = same
            return subject
        }
        let summary = GenerationSummary(
            [
                PromptComparison(
                    promptTokens: 1, tokens: [1, 2, 3, 4], repetition: 0, subjects: [subject(nil, [0, 0, 2, 4], 4)]),
                PromptComparison(
                    promptTokens: 1, tokens: [1, 2, 3, 4], repetition: 0.5, subjects: [subject(2, [0, 2, 2, 0], 3)]),
                PromptComparison(
                    promptTokens: 1, tokens: [1, 2, 3, 4], repetition: 1, subjects: [subject(0, [3, 1, 2, 2], 2)]),
            ], subject: 0)
        #expect(summary.prompts == 3 && summary.identical == 1 && summary.medianFirstDifference == 2)
        #expect(summary.divergenceByPosition == [1, 1, 2, 2] && summary.meanDivergence == 1.5)
        #expect(summary.meanDivergence(2..<9) == 2 && summary.sameTopShare == 0.75)
        #expect(summary.repetition == 0.25 && summary.referenceRepetition == 0.5)
    }

    @Test func promptsAreCutAtEvenDistances() throws {
        let model = try TinyModel.engine().model
        let all = model.tokenizer.encode(PerplexityTests.text, addSpecial: false, parseSpecial: false)
        let cut = try GenerationPrompts.cut(PerplexityTests.text, count: 3, length: 20, model: model)
        #expect(cut == (0..<3).map { Array(all[$0 * (all.count / 3)..<$0 * (all.count / 3) + 20]) })
        // A model that was trained with a first token gets it in every prompt.
        let separate = try TinyModel.engine("separate").model
        let begun = try GenerationPrompts.cut(PerplexityTests.text, count: 2, length: 10, model: separate)
        #expect(begun.allSatisfy { $0.count == 10 && $0[0] == separate.tokenizer.bosID })
        #expect(try GenerationPrompts.tokens(of: GenerationPrompts.builtIn, model: model).count == 4)
    }

    @Test func whatCannotBeComparedIsRefused() throws {
        let engine = try TinyModel.engine(contextLength: 64)
        let text = PerplexityTests.text
        #expect(throws: EvaluationError.self) { try GenerationComparison(tokens: 3) }
        #expect(throws: EvaluationError.self) {
            try GenerationPrompts.cut(text, count: 0, length: 8, model: engine.model)
        }
        #expect(throws: EvaluationError.self) {
            try GenerationPrompts.cut(text, count: 2, length: 0, model: engine.model)
        }
        for text in [text, []] {
            #expect(throws: EvaluationError.self) {
                try GenerationPrompts.cut(text, count: 100, length: 64, model: engine.model)
            }
        }
        #expect(throws: EvaluationError.self) { try GenerationPrompts.tokens(of: [""], model: engine.model) }
        let long = #expect(throws: EvaluationError.self) {
            try GenerationComparison(tokens: 60).run(
                prompts: prompts(engine), reference: TinyModel.engine(), subjects: [engine])
        }
        #expect(long?.description.contains("60 to generate") == true)
        #expect(long?.description.contains("context holds 64") == true)
        #expect(throws: EvaluationError.self) {
            try GenerationComparison(tokens: 8).run(prompts: [], reference: engine, subjects: [])
        }
    }
}

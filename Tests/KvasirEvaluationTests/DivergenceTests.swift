import Foundation
import KvasirCache
import KvasirEngine
import KvasirModels
import KvasirNumerics
import Testing

@testable import KvasirEvaluation

struct DivergenceTests {
    private func engine(cache: String, contextLength: Int? = nil) throws -> InferenceEngine {
        let path = URL(filePath: #filePath).appending(path: "../../KvasirModelsTests/Fixtures/tiny-tied.gguf")
        let threads = try ThreadPool()
        return try InferenceEngine(
            model: LanguageModel(path: path.standardized.path, threads: threads),
            cache: CacheConfiguration(parsing: cache), contextLength: contextLength, threads: threads,
            instructionSet: .best, precision: .float32)
    }

    @Test func aCacheDoesNotDivergeFromItself() throws {
        let (reference, results) = try DivergenceEvaluation(context: 300, windows: 1).run(
            text: PerplexityTests.text, reference: engine(cache: "f16"), subjects: [engine(cache: "f16")])
        let result = try #require(results.first)
        #expect(result.tokens == 149 && reference.tokens == 149)
        #expect(result.mean < 1e-12 && result.quantile(1) < 1e-12)
        #expect(result.sameTopShare == 1)
        #expect(result.lossDifference == 0)
        #expect(result.perplexity.perplexity == reference.perplexity)
    }

    @Test func perplexitiesAreThoseOfTheirOwnEvaluation() throws {
        let (reference, results) = try DivergenceEvaluation(context: 64, windows: 4).run(
            text: PerplexityTests.text, reference: engine(cache: "f32"), subjects: [engine(cache: "nf4/b32")])
        let result = try #require(results.first)
        let alone = try PerplexityEvaluation(context: 64, windows: 4).run(
            text: PerplexityTests.text, engine: engine(cache: "nf4/b32"))
        // The logarithms are taken in another way.
        #expect(abs(result.perplexity.loss - alone.loss) < 1e-6)
        #expect(abs(result.lossDifference - (result.perplexity.loss - reference.loss)) < 1e-12)
        #expect(result.mean > 0 && result.mean >= result.quantile(0))
        #expect(result.quantile(0.5) <= result.quantile(0.99) && result.quantile(0.99) <= result.quantile(1))
        #expect(result.lossDifferenceError > 0)
    }

    @Test func partsOfThePositionsAddUpToTheWhole() throws {
        let (_, results) = try DivergenceEvaluation(context: 67, windows: 3).run(
            text: PerplexityTests.text, reference: engine(cache: "f16"), subjects: [engine(cache: "nf4/b32")])
        let result = try #require(results.first)
        for parts in [1, 2, 8, 31, 32, 33, 1000] {
            let groups = result.byPosition(parts: parts)
            // Positions 33 to 65 are compared.
            #expect(groups.count == min(parts, 33))
            #expect(groups.first?.firstPosition == 33 && groups.last?.lastPosition == 65)
            #expect(zip(groups, groups.dropFirst()).allSatisfy { $0.lastPosition + 1 == $1.firstPosition })
            #expect(groups.allSatisfy { $0.tokens == 3 * ($0.lastPosition - $0.firstPosition + 1) })
            let sum = groups.reduce(0) { $0 + $1.mean * Double($1.tokens) }
            #expect(abs(sum / Double(result.tokens) - result.mean) < 1e-12)
        }
    }

    @Test func divergenceOfKnownDistributions() {
        let expected = TokenDistribution(logits: [log(0.5), log(0.25), log(0.25)].map(Float.init)[...])
        let actual = TokenDistribution(logits: [log(0.25), log(0.5), log(0.25)].map { Float($0) + 3 }[...])
        #expect(abs(expected.divergence(to: actual) - 0.25 * log(2)) < 1e-6)
        #expect(expected.divergence(to: expected) == 0)
        #expect(expected.top == 0 && actual.top == 1)
        #expect(abs(actual.loss(of: 1) - log(2)) < 1e-6)
        let certain = TokenDistribution(logits: [0, -.infinity][...])
        #expect(certain.divergence(to: TokenDistribution(logits: [0, 0][...])) - log(2) < 1e-12)
    }

    @Test func whatCannotBeComparedIsRefused() throws {
        #expect(throws: EvaluationError.self) { try DivergenceEvaluation(context: 3) }
        #expect(throws: EvaluationError.self) { try DivergenceEvaluation(context: 64, windows: 0) }
        #expect(throws: EvaluationError.self) {
            try DivergenceEvaluation(context: 64).run(
                text: Array("short".utf8), reference: engine(cache: "f16"), subjects: [])
        }
    }
}

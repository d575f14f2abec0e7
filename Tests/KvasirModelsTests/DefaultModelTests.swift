import Foundation
import KvasirModels
import KvasirNumerics
import KvasirTestSupport
import KvasirWeights
import Testing

/// The default model, where this machine has it, gives the logits of the reference implementation.
@Suite(.enabled(if: TestResources.defaultModelPath != nil, "set KVASIR_TEST_MODEL to the default model's path"))
struct DefaultModelTests {
    struct Reference: Decodable {
        struct Row: Decodable {
            let position: Int
            let tokens: [Int32]
            let logits: [Float]
            let largest: Float
        }
        let tokens: [Int32]
        let rows: [Row]
    }

    private func reference() throws -> Reference {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/smollm2-logits", withExtension: "json"))
        return try JSONDecoder().decode(Reference.self, from: Data(contentsOf: url))
    }

    /// The largest error among the reference's best tokens, as a share of their row's largest logit.
    private func error(cache: String, precision: LinearPrecision) throws -> Float {
        let threads = try ThreadPool()
        let model = try ModelLoader.load(GGUFFile(path: #require(TestResources.defaultModelPath)), threads: threads)
        let runner = try Runner(model, cache: cache, instructionSet: .best, threads: threads, precision: precision)
        let reference = try reference()
        let logits = try runner.run(reference.tokens, in: [reference.tokens.count])
        return reference.rows.flatMap { row in
            zip(row.tokens, row.logits).map { abs(logits[row.position][Int($0)] - $1) / row.largest }
        }.max() ?? .infinity
    }

    @Test func exactCacheGivesTheReferenceLogits() throws {
        #expect(try error(cache: "f32", precision: .float32) < 1e-4)
    }

    /// Keys and values rounded to 11 bits, through 30 layers.
    @Test func halfPrecisionCacheStaysNearTheReference() throws {
        #expect(try error(cache: "f16", precision: .float32) < 5e-3)
    }

    /// Activations rounded to 8 bits in 211 matrices, each by half a percent of their norm.
    ///
    /// Independent errors of 0.5 % add up to 0.5 % x sqrt(211) = 7 %; what is permitted is two of these.
    @Test func integerPathStaysNearTheReference() throws {
        #expect(try error(cache: "f16", precision: .int8) < 0.15)
    }
}

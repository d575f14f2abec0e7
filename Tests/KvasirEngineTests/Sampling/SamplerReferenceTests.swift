import Foundation
import KvasirEngine
import KvasirNumerics
import Testing

/// The sampler's distributions against independent implementations.
@Suite struct SamplerReferenceTests {
    struct Case: Decodable {
        let parameters: SamplingParameters
        let logits: [Float]
        let history: [Int32]
        let promptCount: Int
        let probabilities: [Float]
    }

    @Test func matchesTheProcessorsOfTransformers() throws {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/sampling", withExtension: "json"))
        let cases = try JSONDecoder().decode([Case].self, from: Data(contentsOf: url))
        #expect(cases.count == 20)
        for (index, reference) in cases.enumerated() {
            let got = try reference.parameters.probabilities(
                reference.logits, history: reference.history, promptCount: reference.promptCount)
            for (id, (got, expected)) in zip(got, reference.probabilities).enumerated() {
                #expect(abs(got - expected) < 2e-6, "case \(index), token \(id)")
                // The fixture has nine digits; above them, the same tokens must have been kept.
                if expected > 1e-7 { #expect(got > 0, "case \(index), token \(id) was dropped") }
                if expected == 0 { #expect(got < 1e-8, "case \(index), token \(id) was kept") }
            }
        }
    }

    static let chains: [(temperature: Float, topK: Int, topP: Float, minP: Float)] = [
        (1, 0, 1, 0), (0.7, 40, 1, 0), (1, 1, 1, 0), (1, 777, 1, 0), (1, 0, 0.9, 0), (0.5, 0, 0.999, 0),
        (3, 0, 0.6, 0), (1, 0, 1, 0.05), (0.8, 50, 0.95, 0.02), (1.5, 300, 0.5, 0.3), (100, 0, 0.5, 0), (100, 3, 1, 0),
    ]

    @Test(arguments: chains.indices)
    func matchesAFullSort(chain: Int) throws {
        let chain = Self.chains[chain]
        let parameters = try SamplingParameters(
            temperature: chain.temperature, topK: chain.topK, topP: chain.topP, minP: chain.minP)
        var random = SeededGenerator(seed: 11)
        // Sizes about the widths of the vector loops and blocks; coarse logits tie by the hundred.
        for size in [1, 2, 7, 8, 17, 513, 700] {
            let smooth = randomLogits(size, using: &random)
            let coarse = smooth.map { $0.rounded() }
            let flat = [Float](repeating: -2.5, count: size)
            // Distances for which the first guesses of the selection's lower bound do not suffice.
            let wide = smooth.map { $0 * 40 }
            var broken = smooth
            for id in stride(from: 0, to: size - 1, by: 3) { broken[id] = id % 2 == 0 ? .nan : -.infinity }
            for (name, logits) in [
                ("smooth", smooth), ("coarse", coarse), ("flat", flat), ("wide", wide), ("broken", broken),
            ] {
                let expected = sortedReference(logits, parameters)
                let got = try parameters.probabilities(logits)
                let wrong = logits.indices.filter {
                    abs(Double(got[$0]) - expected[$0]) > 1e-6 * expected[$0] + 1e-30
                }
                #expect(wrong.isEmpty, "\(name) \(size)")
            }
        }
    }

    @Test func matchesAFullSortOverALargeVocabulary() throws {
        var random = SeededGenerator(seed: 5)
        let logits = randomLogits(20_000, using: &random)
        for parameters in [
            try SamplingParameters(topP: 0.95), try SamplingParameters(topK: 40), try SamplingParameters(topK: 9000),
        ] {
            let expected = sortedReference(logits, parameters)
            let got = try parameters.probabilities(logits)
            let differing = logits.indices.filter { (got[$0] > 0) != (expected[$0] > 0) }
            #expect(differing.isEmpty)
        }
    }
}

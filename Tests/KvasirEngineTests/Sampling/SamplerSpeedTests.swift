import Foundation
import KvasirEngine
import KvasirNumerics
import Testing

/// Time per token over a vocabulary of 49,152, printed rather than judged; the variable holds the number of tokens:
/// `KVASIR_BENCHMARK=400 swift test -c release -Xswiftc -enable-testing --filter SamplerSpeedTests`.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["KVASIR_BENCHMARK"] != nil), .serialized)
struct SamplerSpeedTests {
    private static let vocabulary = 49_152
    private static let tokens = Int(ProcessInfo.processInfo.environment["KVASIR_BENCHMARK"] ?? "") ?? 400

    /// Mostly noise, with a few dozen likely tokens, as a language model gives.
    private static func peakedLogits(using random: inout SeededGenerator) -> [Float] {
        var logits = randomLogits(vocabulary, scale: 2.5, using: &random)
        for rank in 0..<60 { logits[Int.random(in: 0..<vocabulary, using: &random)] = 20 - 0.15 * Float(rank) }
        return logits
    }

    @Test func timePerToken() throws {
        let chains: [(String, SamplingParameters)] = [
            ("greedy", .greedy),
            ("temperature", .neutral),
            ("top_p 0.95", try SamplingParameters(temperature: 0.8, topP: 0.95)),
            ("top_k 40", try SamplingParameters(temperature: 0.8, topK: 40)),
            (
                "top_k 40, top_p 0.95, min_p 0.05",
                try SamplingParameters(temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05)
            ),
            (
                "top_p 0.95, all penalties",
                try SamplingParameters(
                    topP: 0.95, repetitionPenalty: 1.1, frequencyPenalty: 0.1, presencePenalty: 0.1)
            ),
        ]
        var random = SeededGenerator(seed: 1)
        let peaked = Self.peakedLogits(using: &random)
        let flat = randomLogits(Self.vocabulary, scale: 0.5, using: &random)
        let history = (0..<2048).map { _ in Int32.random(in: 0..<Int32(Self.vocabulary), using: &random) }
        for (name, parameters) in chains {
            for (shape, logits) in [("peaked", peaked), ("flat", flat)] {
                var sampler = try Sampler(parameters, vocabularySize: Self.vocabulary)
                let clock = ContinuousClock()
                var times: [Duration] = []
                times.reserveCapacity(Self.tokens)
                for _ in 0..<Self.tokens {
                    let start = clock.now
                    _ = try sampler.next(logits: logits.span, history: history.span, promptCount: 1024)
                    times.append(clock.now - start)
                }
                times.sort()
                let (median, p95) = (
                    times[Self.tokens / 2] / .microseconds(1), times[Self.tokens * 95 / 100] / .microseconds(1)
                )
                print("\(name), \(shape): p50 \(Int(median)) us, p95 \(Int(p95)) us")
            }
        }
    }
}

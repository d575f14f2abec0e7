import ArgumentParser
import KvasirEngine

/// How tokens are chosen, and what ends the text.
///
/// The defaults are those llama.cpp has for the same parameters.
struct SamplingOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Divides the logits; 0 always takes the most likely token.", valueName: "value"))
    var temperature: Float = 0.8

    @Option(help: ArgumentHelp("Keeps the most likely tokens; 0 keeps all.", valueName: "count"))
    var topK = 40

    @Option(help: ArgumentHelp("Keeps the tokens that make up this probability; 1 keeps all.", valueName: "share"))
    var topP: Float = 0.95

    @Option(
        help: ArgumentHelp("Keeps tokens of at least this share of the best one's probability.", valueName: "share"))
    var minP: Float = 0.05

    @Option(help: ArgumentHelp("Makes tokens that have occurred less likely; 1 is off.", valueName: "factor"))
    var repetitionPenalty: Float = 1

    @Option(help: ArgumentHelp("Makes the choice reproducible. (default: random)", valueName: "number"))
    var seed: UInt64?

    @Option(
        help: ArgumentHelp("Ends the text before this string; may be given more than once.", valueName: "string"))
    var stop: [String] = []

    /// The parameters, with a seed chosen if none was given.
    ///
    /// - Parameter previous: The parameters of the turn before, whose seed is counted on.
    func parameters(after previous: SamplingParameters? = nil) throws -> SamplingParameters {
        // Short enough to be typed again, and exact in every reader of JSON.
        let seed = previous?.seed.map { $0 &+ 1 } ?? seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
        return try SamplingParameters(
            temperature: temperature, topK: topK, topP: topP, minP: minP, repetitionPenalty: repetitionPenalty,
            seed: seed)
    }

    func stopStrings() throws -> StopStrings {
        do throws(StopStringError) {
            return try StopStrings(stop)
        } catch {
            throw UsageError(message: "--\(error)")
        }
    }
}

extension SamplingParameters {
    /// What decides the choice, in words.
    var summary: String {
        var parts: [String] = []
        if isGreedy {
            parts.append("greedy")
        } else {
            parts.append("temperature \(temperature)")
            if topK > 0 { parts.append("top-k \(topK)") }
            if topP < 1 { parts.append("top-p \(topP)") }
            if minP > 0 { parts.append("min-p \(minP)") }
        }
        if repetitionPenalty != 1 { parts.append("repetition penalty \(repetitionPenalty)") }
        if !isGreedy, let seed { parts.append("seed \(seed)") }
        return parts.joined(separator: ", ")
    }
}

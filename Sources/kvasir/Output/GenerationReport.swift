import KvasirCache
import KvasirEngine
import KvasirModels
import KvasirNumerics

/// What `generate` says about a generation: an object for machines, or a summary for people.
struct GenerationReport: Encodable {
    struct Timings: Encodable {
        let prefillSeconds: Double
        let decodeSeconds: Double
        let prefillTokensPerSecond: Double
        let decodeTokensPerSecond: Double
    }

    let model: String
    let modelPath: String
    let text: String
    let tokens: [Int32]
    let promptTokens: Int
    let cachedPromptTokens: Int
    let generatedTokens: Int
    let finishReason: FinishReason
    let seed: UInt64
    let sampling: SamplingParameters
    let timings: Timings
    let cache: CacheFigures
    /// Where bits follow attention, those after the generation.
    let adaptive: AdaptiveFigures?
    let threads: Int
    let instructionSet: String

    /// The same for people.
    let summary: String

    private enum CodingKeys: CodingKey {
        case model, modelPath, text, tokens, promptTokens, cachedPromptTokens, generatedTokens, finishReason, seed
        case sampling, timings, cache, adaptive, threads, instructionSet
    }

    init(
        _ result: GenerationResult, of session: GenerationSession, sampling: SamplingParameters,
        settings: EngineSettings
    ) {
        let engine = session.engine
        let sequence = session.sequence
        model = engine.model.fileName
        modelPath = engine.model.path
        text = result.text
        tokens = result.tokens
        promptTokens = result.promptTokens
        cachedPromptTokens = result.cachedPromptTokens
        generatedTokens = result.tokens.count
        finishReason = result.finishReason
        seed = result.seed
        self.sampling = sampling
        timings = Timings(
            prefillSeconds: result.prefillTime.seconds, decodeSeconds: result.decodeTime.seconds,
            prefillTokensPerSecond: result.prefillTokensPerSecond, decodeTokensPerSecond: result.decodeTokensPerSecond)
        cache = CacheFigures(
            engine.plan, context: engine.contextLength, tokens: sequence.count, footprint: sequence.footprint)
        adaptive = AdaptiveFigures(sequence)
        threads = settings.threads.threadCount
        instructionSet = settings.instructionSet.description

        let speed =
            "prefill \(result.prefillTokensPerSecond.fixed(1)) tokens/s, "
            + "decode \(result.decodeTokensPerSecond.fixed(1)) tokens/s (\(threads) threads, \(instructionSet))"
        summary = table(
            [
                ("model", "\(model), context of \(engine.contextLength.grouped) tokens"),
                ("cache", engine.plan.summary),
                ("", engine.plan.comparison(bytes: sequence.bytes, tokens: sequence.count)),
            ] + (adaptive.map { [("bits", $0.summary)] } ?? []) + [
                ("sampling", sampling.summary),
                (
                    "tokens",
                    "\(promptTokens.grouped) of the prompt, \(generatedTokens.grouped) generated (\(result.ending))"
                ),
                ("speed", speed),
            ])
    }
}

extension GenerationResult {
    /// Why it ended, in words.
    var ending: String {
        switch finishReason {
        case .stop: "finished"
        case .length: "cut at the limit"
        case .cancelled: "interrupted"
        }
    }
}

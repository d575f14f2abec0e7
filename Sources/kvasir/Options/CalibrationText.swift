import ArgumentParser
import KvasirCalibration
import KvasirEngine
import KvasirEvaluation
import KvasirModels
import KvasirTokenizers

/// What a calibration runs: a text, or one that the model makes up.
struct CalibrationText: ParsableArguments {
    @Option(help: ArgumentHelp("A text to measure on.", valueName: "file"), completion: .file())
    var text: String?

    @Option(help: ArgumentHelp("What a made-up text starts from.", valueName: "number"))
    var seed: UInt64 = 0

    /// Tokens that run through a model as one sequence.
    private static let window = 512

    /// The context that runs take of a model.
    static func context(of model: LanguageModel) -> Int { min(window, model.decoder.info.contextLength) }

    /// The text's bytes, read before anything that takes long; nil if there is no text.
    func read() throws -> [UInt8]? { try text.map(EvaluationFile.read) }

    /// Runs the first `tokens` tokens of `bytes` in sequences, or else what the model makes up.
    ///
    /// - Returns: what was run, in words.
    func run(
        _ bytes: [UInt8]?, tokens: Int, on engine: InferenceEngine, sequence: ([Int32]) throws -> Void,
        madeUp: (SelfText) throws -> Void
    ) throws -> String {
        guard let bytes, let text else {
            try madeUp(SelfText(seed: seed))
            return "text of the model's own, seed \(seed)"
        }
        let all = engine.model.tokenizer.encode(bytes, addSpecial: true, parseSpecial: false).prefix(tokens)
        for start in stride(from: 0, to: all.count, by: engine.contextLength) {
            try sequence(Array(all[start..<min(start + engine.contextLength, all.count)]))
        }
        return "\(text), \(all.count) tokens"
    }
}

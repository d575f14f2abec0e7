internal import KvasirNumerics

/// A family of models: how it is recognised and read.
protocol ModelFamily: DecoderModel {
    /// What GGUF's `general.architecture` calls it.
    static var ggufArchitectures: [String] { get }
    /// What `model_type` of a config.json calls it.
    static var modelTypes: [String] { get }

    /// Reads the numbers, checks every tensor, repacks the weights.
    init(_ checkpoint: Checkpoint, threads: ThreadPool) throws

    /// Reads sizes and names; repacks no weight.
    static func info(of checkpoint: Checkpoint) throws -> ModelInfo
}

internal import KvasirNumerics

/// A family of models: what checkpoints call it, and how it is read.
struct ModelFamily: Sendable {
    /// GGUF's `general.architecture`; empty if there are no such files.
    let ggufArchitectures: [String]
    /// `model_type` of a config.json.
    let modelTypes: [String]
    /// Reads the numbers, checks every tensor, repacks the weights.
    let load: @Sendable (Checkpoint, ThreadPool) throws -> any DecoderModel
    /// Reads sizes and names; repacks no weight.
    let info: @Sendable (Checkpoint) throws -> ModelInfo

    /// Takes a family with a model of its own.
    init<Model: LoadableModel>(gguf: [String], huggingFace: [String], _ model: Model.Type) {
        ggufArchitectures = gguf
        modelTypes = huggingFace
        load = { try Model($0, threads: $1) }
        info = { try Model.info(of: $0) }
    }

    /// Takes a family of gated decoders.
    init(
        gguf: [String], huggingFace: [String], traits: @escaping @Sendable (Checkpoint.Format) -> GatedDecoder.Traits
    ) {
        ggufArchitectures = gguf
        modelTypes = huggingFace
        load = { try GatedDecoder($0, traits($0.format), threads: $1) }
        info = { try GatedDecoder.info(of: $0, traits($0.format)) }
    }
}

/// A model that is read from a checkpoint.
protocol LoadableModel: DecoderModel {
    /// Reads the numbers, checks every tensor, repacks the weights.
    init(_ checkpoint: Checkpoint, threads: ThreadPool) throws

    /// Reads sizes and names; repacks no weight.
    static func info(of checkpoint: Checkpoint) throws -> ModelInfo
}

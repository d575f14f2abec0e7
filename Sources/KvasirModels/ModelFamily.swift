internal import KvasirNumerics

/// What loading takes beside the checkpoint.
struct LoadSettings: Sendable {
    /// Repack the weights.
    let threads: ThreadPool
    /// What becomes of the layers' matrices; nil if they stay as the file has them.
    var conversion: WeightConversion? = nil
}

/// A family of models: what checkpoints call it, and how it is read.
struct ModelFamily: Sendable {
    /// GGUF's `general.architecture`; empty if there are no such files.
    let ggufArchitectures: [String]
    /// `model_type` of a config.json.
    let modelTypes: [String]
    /// Reads the numbers, checks every tensor, repacks the weights.
    let load: @Sendable (Checkpoint, LoadSettings) throws -> DecoderModel
    /// Reads sizes and names; repacks no weight.
    let info: @Sendable (Checkpoint) throws -> ModelInfo

    /// Describes a family.
    init(
        gguf: [String], huggingFace: [String],
        load: @escaping @Sendable (Checkpoint, LoadSettings) throws -> DecoderModel,
        info: @escaping @Sendable (Checkpoint) throws -> ModelInfo
    ) {
        ggufArchitectures = gguf
        modelTypes = huggingFace
        self.load = load
        self.info = info
    }

    /// Describes a family of gated decoders.
    init(
        gguf: [String], huggingFace: [String], traits: @escaping @Sendable (Checkpoint.Format) -> GatedDecoder.Traits
    ) {
        self.init(
            gguf: gguf, huggingFace: huggingFace,
            load: { try GatedDecoder.load($0, traits($0.format), $1) },
            info: { try GatedDecoder.info(of: $0, traits($0.format)) })
    }
}

internal import KvasirWeights

/// A number of a model, by the keys the formats have for it.
///
/// GGUF's keys stand behind the architecture and a dot. Several Hugging Face keys are the spellings of different families
/// and times; the first one that is there counts.
struct MetadataKey: Sendable {
    let gguf: [String]
    let huggingFace: [String]

    init(gguf: String..., huggingFace: String...) {
        self.gguf = gguf
        self.huggingFace = huggingFace
    }

    static let layers = MetadataKey(gguf: "block_count", huggingFace: "num_hidden_layers", "n_layer")
    static let hiddenSize = MetadataKey(gguf: "embedding_length", huggingFace: "hidden_size", "n_embd")
    static let feedForwardSize = MetadataKey(
        gguf: "feed_forward_length", huggingFace: "intermediate_size", "ffn_dim", "n_inner")
    static let contextLength = MetadataKey(
        gguf: "context_length", huggingFace: "max_position_embeddings", "n_positions")
    static let queryHeads = MetadataKey(gguf: "attention.head_count", huggingFace: "num_attention_heads", "n_head")
    static let kvHeads = MetadataKey(gguf: "attention.head_count_kv", huggingFace: "num_key_value_heads")
    static let headSize = MetadataKey(gguf: "attention.key_length", huggingFace: "head_dim")
    static let valueSize = MetadataKey(gguf: "attention.value_length", huggingFace: "v_head_dim")
    static let rmsEpsilon = MetadataKey(gguf: "attention.layer_norm_rms_epsilon", huggingFace: "rms_norm_eps")
    static let layerEpsilon = MetadataKey(gguf: "attention.layer_norm_epsilon", huggingFace: "layer_norm_epsilon")
    static let slidingWindow = MetadataKey(gguf: "attention.sliding_window", huggingFace: "sliding_window")
    static let activation = MetadataKey(
        gguf: "hidden_act", huggingFace: "hidden_activation", "hidden_act", "activation_function")
    static let experts = MetadataKey(
        gguf: "expert_count", huggingFace: "num_local_experts", "num_experts", "n_routed_experts")
    static let rotaryDimensions = MetadataKey(gguf: "rope.dimension_count", huggingFace: "rotary_dim")
    static let rotaryBase = MetadataKey(
        gguf: "rope.freq_base", huggingFace: "rope_theta", "rope_parameters.rope_theta")
    static let rotaryScaling = MetadataKey(
        gguf: "rope.scaling.type",
        huggingFace: "rope_scaling.rope_type", "rope_scaling.type", "rope_parameters.rope_type")
    // Old converters wrote the second name.
    static let rotaryFactor = MetadataKey(
        gguf: "rope.scaling.factor", "rope.scale_linear",
        huggingFace: "rope_scaling.factor", "rope_parameters.factor")
}

extension Checkpoint {
    /// The keys a number may have, in the file's spelling; the first one is what a message about a missing number names.
    func spellings(of key: MetadataKey) -> [String] {
        format == .gguf ? key.gguf.map { "\(architecture).\($0)" } : key.huggingFace
    }

    /// The key a number has in this file, or would have.
    func spelling(of key: MetadataKey) -> String {
        let spellings = spellings(of: key)
        return spellings.first(where: metadata.contains) ?? spellings[0]
    }

    /// A positive size.
    ///
    /// - Throws: `ModelError` naming the key if it is missing and has no default, or is no possible size.
    func size(_ key: MetadataKey, default fallback: @autoclosure () -> Int? = nil) throws -> Int {
        let name = spelling(of: key)
        guard let value = try metadata.integer(ifPresent: name) ?? fallback() else {
            throw ModelError(.badMetadata, received: name, remedy: "is missing; the file is incomplete")
        }
        guard value > 0, value <= 1 << 24 else {
            throw ModelError(.badMetadata, received: "\(name) = \(value)", remedy: "expected a positive size")
        }
        return value
    }

    /// A number that is finite and above zero; nil if it is missing.
    func positive(_ key: MetadataKey) throws -> Double? { try positive(spelled: spelling(of: key)) }

    /// A number that is finite and above zero; nil if it is missing.
    func positive(spelled name: String) throws -> Double? {
        guard let value = try metadata.number(ifPresent: name) else { return nil }
        guard value.isFinite, value > 0 else {
            throw ModelError(
                .badMetadata, received: "\(name) = \(value)", remedy: "expected a positive number; the file is damaged")
        }
        return value
    }

    /// What a norm adds to the mean square.
    func epsilon(_ key: MetadataKey) throws -> Float {
        let name = spelling(of: key)
        guard let value = try metadata.number(ifPresent: name), value >= 0, value < 1 else {
            throw ModelError(.badMetadata, received: name, remedy: "is missing or impossible; the file is incomplete")
        }
        return Float(value)
    }

    /// Refuses a model with several MLPs to choose from.
    func refuseExperts() throws {
        for name in spellings(of: .experts) where try metadata.integer(ifPresent: name) ?? 0 != 0 {
            throw ModelError(
                .unsupportedFeature, received: name, remedy: "mixtures of experts are not supported; use a dense model")
        }
    }
}

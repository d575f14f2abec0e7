internal import KvasirCache
internal import KvasirCodecs
internal import KvasirNumerics
internal import KvasirWeights

extension ModelFamily {
    /// Gemma 3, text only.
    static let gemma3 = ModelFamily(
        gguf: ["gemma3"], huggingFace: ["gemma3_text"], load: Gemma3.load, info: Gemma3.info)
}

/// Gemma 3: norms before and after attention and MLP, queries and keys normed by head, most layers with a sliding window
/// and a rotary base of their own, a scaled embedding, GELU.
///
/// Source: Gemma Team, "Gemma 3 technical report" (arXiv:2503.19786), section 2.
enum Gemma3 {
    static func load(_ checkpoint: Checkpoint, _ loading: LoadSettings) throws -> DecoderModel {
        let configuration = try DecoderConfiguration(checkpoint)
        let epsilon = try checkpoint.epsilon(.rmsEpsilon)
        try refuseWhatIsMissing(checkpoint)
        let activation = try checkpoint.activation(["gelu_pytorch_tanh": GatedActivation.geluTanh], default: .geluTanh)
        let tensors = try TensorLoader(checkpoint, names: names(checkpoint.format), loading)
        let (hidden, headSize) = (configuration.hiddenSize, configuration.heads.headSize)
        // Norms multiply by one more than the weights of a Hugging Face folder; GGUF files have the sum.
        let addend: Float = checkpoint.format == .gguf ? 0 : 1
        func makeNorm(_ weights: [Float]) -> Norm { Norm(weights.map { $0 + addend }, epsilon: epsilon) }
        func norm(_ role: TensorNames.Role, layer: Int? = nil) throws -> Norm {
            makeNorm(try tensors.vector(role, layer: layer, count: hidden))
        }
        let info = try info(of: checkpoint)
        let rotary = try rotary(checkpoint, headSize: headSize)
        let factor = try scoreFactor(checkpoint, configuration)
        var layers: [DecoderLayer] = []
        for index in 0..<configuration.layers {
            layers.append(
                try tensors.finish(
                    layer: index,
                    DecoderLayer(
                        attentionNorms: SublayerNorms(
                            before: try norm(.attentionNorm, layer: index),
                            after: try norm(.attentionPostNorm, layer: index)),
                        attention: try SelfAttention(
                            configuration, tensors, layer: index, headNorm: makeNorm, factor: factor),
                        rotary: info.cacheShape.window(layer: index) == nil ? 0 : 1,
                        feedForwardNorms: SublayerNorms(
                            before: try norm(.feedForwardNorm, layer: index),
                            after: try norm(.feedForwardPostNorm, layer: index)),
                        feedForward: try GatedMLP(configuration, tensors, layer: index, activation))))
        }
        let head = try OutputHead(checkpoint, tensors, norm: try norm(.outputNorm), columns: hidden)
        return try DecoderModel(
            info, embedding: InputEmbedding(tokens: head.embedding, scale: Float(hidden).squareRoot()), layers: layers,
            head: head, rotary: [rotary.full, rotary.sliding], from: tensors)
    }

    /// Sizes and names, read without repacking a weight.
    static func info(of checkpoint: Checkpoint) throws -> ModelInfo {
        let configuration = try DecoderConfiguration(checkpoint)
        // Where the file does not list the layers: every sixth attends to everything.
        let period = try checkpoint.metadata.integer(ifPresent: "sliding_window_pattern") ?? 6
        guard period > 0 else {
            throw ModelError(
                .badMetadata, received: "sliding_window_pattern = \(period)", remedy: "expected a positive number")
        }
        let windows = try checkpoint.slidingWindows(layers: configuration.layers) { ($0 + 1) % period != 0 }
        let rotary = try rotary(checkpoint, headSize: configuration.heads.headSize)
        return try configuration.info(
            of: checkpoint, names: names(checkpoint.format),
            rotary: (0..<configuration.layers).map { layer in
                layer < windows.count && windows[layer] != nil ? rotary.sliding : rotary.full
            }, windows: windows)
    }

    private static func rotary(
        _ checkpoint: Checkpoint, headSize: Int
    ) throws -> (full: RotaryEmbedding, sliding: RotaryEmbedding) {
        (
            try RotaryEmbedding(checkpoint, headSize: headSize, order: .halves, section: fullRotary),
            try slidingRotary(checkpoint, headSize: headSize)
        )
    }

    private static func names(_ format: Checkpoint.Format) -> TensorNames {
        format == .gguf
            ? .gguf
            : .huggingFace.with([
                .attentionPostNorm: "@layers.#.post_attention_layernorm",
                .feedForwardNorm: "@layers.#.pre_feedforward_layernorm",
                .feedForwardPostNorm: "@layers.#.post_feedforward_layernorm",
            ])
    }

    private static let fullRotary = RotaryEmbedding.Section(
        base: MetadataKey(
            gguf: "rope.freq_base", huggingFace: "rope_parameters.full_attention.rope_theta", "rope_theta"),
        defaultBase: 1_000_000, scaling: ["rope_parameters.full_attention", "rope_scaling"])

    /// Layers with a window turn by a base of their own, which no scaling touches.
    private static func slidingRotary(_ checkpoint: Checkpoint, headSize: Int) throws -> RotaryEmbedding {
        let key = MetadataKey(
            gguf: "rope.freq_base_swa",
            huggingFace: "rope_parameters.sliding_attention.rope_theta", "rope_local_base_freq")
        return RotaryEmbedding(
            base: try checkpoint.positive(key) ?? 10_000, dimensions: headSize, order: .halves)
    }

    /// One over the root of a number that a config.json names; GGUF files leave it to the reader to know the 27B model.
    private static func scoreFactor(
        _ checkpoint: Checkpoint, _ configuration: DecoderConfiguration
    ) throws -> Float {
        if let scalar = try checkpoint.positive(MetadataKey(gguf: "-", huggingFace: "query_pre_attn_scalar")) {
            return 1 / Float(scalar).squareRoot()
        }
        let is27B = configuration.layers == 62
        return Operations.scoreFactor(
            headSize: is27B ? configuration.hiddenSize / configuration.queryHeads : configuration.heads.headSize)
    }

    private static func refuseWhatIsMissing(_ checkpoint: Checkpoint) throws {
        let caps = [
            MetadataKey(gguf: "final_logit_softcapping", huggingFace: "final_logit_softcapping"),
            MetadataKey(gguf: "attn_logit_softcapping", huggingFace: "attn_logit_softcapping"),
        ]
        for cap in caps where try checkpoint.metadata.number(ifPresent: checkpoint.spelling(of: cap)) ?? 0 != 0 {
            throw ModelError(
                .unsupportedFeature, received: checkpoint.spelling(of: cap),
                remedy: "capped logits are not supported; use a Gemma 3 model without them")
        }
        let key = "use_bidirectional_attention"
        guard try checkpoint.metadata.bool(ifPresent: key) ?? false == false else {
            throw ModelError(
                .unsupportedFeature, received: key, remedy: "only models that generate text are supported")
        }
    }
}

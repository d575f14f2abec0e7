internal import KvasirCodecs
internal import KvasirNumerics
internal import KvasirWeights

extension ModelFamily {
    /// GPT-2.
    static let gpt2 = ModelFamily(gguf: ["gpt2"], huggingFace: ["gpt2"], load: GPT2.load, info: GPT2.info)
}

/// GPT-2: layer norms before attention and MLP, learned positions, GELU, biases everywhere.
///
/// Source: Radford et al., "Language models are unsupervised multitask learners" (2019), section 2.3. Hugging Face folders
/// have input channels as rows; GGUF files have output channels, as all others.
enum GPT2 {
    static func load(_ checkpoint: Checkpoint, _ loading: LoadSettings) throws -> DecoderModel {
        let configuration = try DecoderConfiguration(checkpoint, feedForwardSize: { 4 * $0 })
        let epsilon = try checkpoint.epsilon(.layerEpsilon)
        let activation = try checkpoint.activation(
            ["gelu_new": PlainActivation.geluTanh, "gelu_pytorch_tanh": .geluTanh, "relu": .relu], default: .geluTanh)
        try refuseVariants(checkpoint)
        let tensors = try TensorLoader(checkpoint, names: names(checkpoint.format), loading)
        let hidden = configuration.hiddenSize
        let isTransposed = checkpoint.format == .huggingFace
        func norm(_ role: TensorNames.Role, layer: Int? = nil) throws -> Norm {
            Norm(
                try tensors.vector(role, layer: layer, count: hidden),
                bias: try tensors.vector(role, layer: layer, count: hidden, ".bias"), epsilon: epsilon)
        }
        let positions = try tensors.table(.positionEmbedding, columns: hidden, rows: configuration.contextLength)
        var layers: [DecoderLayer] = []
        for index in 0..<configuration.layers {
            func linear(_ role: TensorNames.Role, rows: Int) throws -> LinearLayer {
                LinearLayer(
                    try tensors.linear(
                        role, layer: index, columns: hidden, rows: rows, bias: true, isTransposed: isTransposed))
            }
            layers.append(
                try tensors.finish(
                    layer: index,
                    DecoderLayer(
                        attentionNorms: SublayerNorms(before: try norm(.attentionNorm, layer: index)),
                        attention: SelfAttention(
                            configuration, projections: try linear(.queryKeyValue, rows: 3 * hidden),
                            output: try linear(.attentionOutput, rows: hidden)),
                        feedForwardNorms: SublayerNorms(before: try norm(.feedForwardNorm, layer: index)),
                        feedForward: try PlainMLP(
                            configuration, tensors, layer: index, activation, isTransposed: isTransposed))))
        }
        let head = try OutputHead(checkpoint, tensors, norm: try norm(.outputNorm), columns: hidden)
        return try DecoderModel(
            try info(of: checkpoint),
            embedding: InputEmbedding(tokens: head.embedding, positions: InputEmbedding.Positions(table: positions)),
            layers: layers, head: head, from: tensors)
    }

    /// Sizes and names, read without repacking a weight.
    static func info(of checkpoint: Checkpoint) throws -> ModelInfo {
        try DecoderConfiguration(checkpoint, feedForwardSize: { 4 * $0 }).info(
            of: checkpoint, names: names(checkpoint.format))
    }

    private static func names(_ format: Checkpoint.Format) -> TensorNames {
        format == .gguf
            ? .gguf
            : TensorNames(
                names: [
                    .tokenEmbedding: "@wte", .positionEmbedding: "@wpe", .attentionNorm: "@h.#.ln_1",
                    .queryKeyValue: "@h.#.attn.c_attn", .attentionOutput: "@h.#.attn.c_proj",
                    .feedForwardNorm: "@h.#.ln_2", .up: "@h.#.mlp.c_fc", .down: "@h.#.mlp.c_proj",
                    .outputNorm: "@ln_f", .output: "lm_head",
                ],
                // Old files hold the causal mask as well.
                prefixes: ["transformer.", ""], ignored: [".attn.bias", ".attn.masked_bias"])
    }

    private static func refuseVariants(_ checkpoint: Checkpoint) throws {
        let usual = [("scale_attn_weights", true), ("scale_attn_by_inverse_layer_idx", false)]
        for (key, expected) in usual where try checkpoint.metadata.bool(ifPresent: key) ?? expected != expected {
            throw ModelError(
                .unsupportedFeature, received: "\(key) = \(!expected)",
                remedy: "this variant of GPT-2 is not supported; use a model with \(expected)")
        }
    }
}

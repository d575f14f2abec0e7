internal import KvasirCodecs
internal import KvasirNumerics
internal import KvasirWeights

extension ModelFamily {
    /// OPT; there are no GGUF files of it.
    static let opt = ModelFamily(gguf: [], huggingFace: ["opt"], load: OPT.load, info: OPT.info)
}

/// OPT: learned positions, layer norms, ReLU, biases.
///
/// Norms stand before attention and MLP, or, in the 350M model, behind what they add to; that model's embedding is also
/// narrower than its hidden state. Source: Zhang et al., "OPT" (arXiv:2205.01068), section 2.
enum OPT {
    /// Rows of the position table before that of the first token.
    private static let positionOffset = 2
    private static let epsilon: Float = 1e-5

    static func load(_ checkpoint: Checkpoint, _ loading: LoadSettings) throws -> DecoderModel {
        let configuration = try DecoderConfiguration(checkpoint)
        let activation = try checkpoint.activation(["relu": PlainActivation.relu], default: .relu)
        try refuseVariants(checkpoint)
        let hidden = configuration.hiddenSize
        let width = try embeddingSize(checkpoint, hiddenSize: hidden)
        let tensors = try TensorLoader(checkpoint, names: names, loading)
        func norm(_ role: TensorNames.Role, layer: Int? = nil) throws -> Norm {
            Norm(
                try tensors.vector(role, layer: layer, count: hidden),
                bias: try tensors.vector(role, layer: layer, count: hidden, ".bias"), epsilon: epsilon)
        }
        let hasNormsBefore = try checkpoint.metadata.bool(ifPresent: "do_layer_norm_before") ?? true
        func norms(_ role: TensorNames.Role, layer: Int) throws -> SublayerNorms {
            let norm = try norm(role, layer: layer)
            return hasNormsBefore ? SublayerNorms(before: norm) : SublayerNorms(behind: norm)
        }
        let positions = InputEmbedding.Positions(
            table: try tensors.table(
                .positionEmbedding, columns: hidden, rows: configuration.contextLength + positionOffset),
            offset: positionOffset)
        func projection(_ role: TensorNames.Role, columns: Int, rows: Int) throws -> LinearLayer? {
            width == hidden ? nil : LinearLayer(try tensors.linear(role, columns: columns, rows: rows))
        }
        let input = try projection(.embeddingProjection, columns: width, rows: hidden)
        let output = try projection(.outputProjection, columns: hidden, rows: width)
        var layers: [DecoderLayer] = []
        for index in 0..<configuration.layers {
            layers.append(
                try tensors.finish(
                    layer: index,
                    DecoderLayer(
                        attentionNorms: try norms(.attentionNorm, layer: index),
                        attention: try SelfAttention(
                            configuration, tensors, layer: index, bias: true, outputBias: true),
                        feedForwardNorms: try norms(.feedForwardNorm, layer: index),
                        feedForward: try PlainMLP(configuration, tensors, layer: index, activation))))
        }
        let isNormRemoved = try checkpoint.metadata.bool(ifPresent: "_remove_final_layer_norm") ?? false
        let head = try OutputHead(
            checkpoint, tensors, norm: hasNormsBefore && !isNormRemoved ? try norm(.outputNorm) : nil,
            projection: output, columns: width)
        return try DecoderModel(
            try info(of: checkpoint),
            embedding: InputEmbedding(tokens: head.embedding, projection: input, positions: positions), layers: layers,
            head: head, from: tensors)
    }

    /// Sizes and names, read without repacking a weight.
    static func info(of checkpoint: Checkpoint) throws -> ModelInfo {
        let configuration = try DecoderConfiguration(checkpoint)
        return try configuration.info(
            of: checkpoint, names: names,
            embeddingSize: try embeddingSize(checkpoint, hiddenSize: configuration.hiddenSize),
            keyBiases: try checkpoint.keyBiases(names, configuration))
    }

    private static let names = TensorNames(
        names: [
            .tokenEmbedding: "@embed_tokens", .positionEmbedding: "@embed_positions",
            .embeddingProjection: "@project_in", .outputProjection: "@project_out",
            .attentionNorm: "@layers.#.self_attn_layer_norm", .query: "@layers.#.self_attn.q_proj",
            .key: "@layers.#.self_attn.k_proj", .value: "@layers.#.self_attn.v_proj",
            .attentionOutput: "@layers.#.self_attn.out_proj", .feedForwardNorm: "@layers.#.final_layer_norm",
            .up: "@layers.#.fc1", .down: "@layers.#.fc2", .outputNorm: "@final_layer_norm", .output: "lm_head",
        ],
        prefixes: ["model.decoder.", "decoder.", ""])

    private static func embeddingSize(_ checkpoint: Checkpoint, hiddenSize: Int) throws -> Int {
        let key = MetadataKey(gguf: "-", huggingFace: "word_embed_proj_dim")
        let size = try checkpoint.size(key, default: hiddenSize)
        guard size <= hiddenSize else {
            throw ModelError(
                .unsupportedFeature, received: "\(checkpoint.spelling(of: key)) = \(size)",
                remedy: "embeddings wider than the hidden state (\(hiddenSize)) are not supported")
        }
        return size
    }

    private static func refuseVariants(_ checkpoint: Checkpoint) throws {
        for key in ["enable_bias", "layer_norm_elementwise_affine"]
        where try checkpoint.metadata.bool(ifPresent: key) == false {
            throw ModelError(
                .unsupportedFeature, received: "\(key) = false",
                remedy: "this variant of OPT is not supported; use a model with true")
        }
    }
}

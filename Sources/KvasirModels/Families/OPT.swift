internal import KvasirCodecs
internal import KvasirNumerics
internal import KvasirWeights

extension ModelFamily {
    /// OPT; there are no GGUF files of it.
    static let opt = ModelFamily(gguf: [], huggingFace: ["opt"], OPTModel.self)
}

/// OPT: learned positions, layer norms, ReLU, biases.
///
/// Norms stand before attention and MLP, or, in the 350M model, behind what they add to; that model's embedding is also
/// narrower than its hidden state. Source: Zhang et al., "OPT" (arXiv:2205.01068), section 2.
struct OPTModel: LoadableModel {
    let info: ModelInfo
    let weightBytes: Int

    /// Rows of the position table before that of the first token.
    private static let positionOffset = 2
    private static let epsilon: Float = 1e-5

    private let hasNormsBefore: Bool
    private let positions: WeightTensor
    /// Between an embedding and a hidden state of different widths; nil if they are the same.
    private let projection: (input: LinearLayer, output: LinearLayer)?
    private let layers: [Layer]
    private let finalNorm: Norm?
    private let head: OutputHead

    private struct Layer: Sendable {
        let attentionNorm: Norm
        let attention: SelfAttention
        let feedForwardNorm: Norm
        let feedForward: PlainMLP
    }

    init(_ checkpoint: Checkpoint, threads: ThreadPool) throws {
        let configuration = try DecoderConfiguration(checkpoint)
        let activation = try checkpoint.activation(["relu": PlainActivation.relu], default: .relu)
        try Self.refuseVariants(checkpoint)
        let hidden = configuration.hiddenSize
        let width = try Self.embeddingSize(checkpoint, hiddenSize: hidden)
        let tensors = try TensorLoader(checkpoint, names: Self.names, threads: threads)
        func norm(_ role: TensorNames.Role, layer: Int? = nil) throws -> Norm {
            Norm(
                try tensors.vector(role, layer: layer, count: hidden),
                bias: try tensors.vector(role, layer: layer, count: hidden, ".bias"), epsilon: Self.epsilon)
        }
        hasNormsBefore = try checkpoint.metadata.bool(ifPresent: "do_layer_norm_before") ?? true
        positions = try tensors.table(
            .positionEmbedding, columns: hidden, rows: configuration.contextLength + Self.positionOffset)
        projection =
            width == hidden
            ? nil
            : (
                LinearLayer(try tensors.linear(.embeddingProjection, columns: width, rows: hidden)),
                LinearLayer(try tensors.linear(.outputProjection, columns: hidden, rows: width))
            )
        var layers: [Layer] = []
        for index in 0..<configuration.layers {
            layers.append(
                Layer(
                    attentionNorm: try norm(.attentionNorm, layer: index),
                    attention: try SelfAttention(configuration, tensors, layer: index, bias: true, outputBias: true),
                    feedForwardNorm: try norm(.feedForwardNorm, layer: index),
                    feedForward: try PlainMLP(configuration, tensors, layer: index, activation)))
        }
        self.layers = layers
        let isNormRemoved = try checkpoint.metadata.bool(ifPresent: "_remove_final_layer_norm") ?? false
        finalNorm = hasNormsBefore && !isNormRemoved ? try norm(.outputNorm) : nil
        head = try OutputHead(checkpoint, tensors, columns: width)
        try tensors.refuseUnused()
        weightBytes = tensors.loadedBytes
        info = try Self.info(of: checkpoint)
    }

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

    func forward(_ step: ForwardStep, _ operations: Operations, _ workspace: DecoderWorkspace) {
        workspace.resize(rows: step.rows)
        let (hidden, normed, delta) = (workspace.hidden.matrix, workspace.normed.matrix, workspace.delta.matrix)
        if let projection {
            let embedded = normed.columns(0..<projection.input.columns)
            operations.embed(step, from: head.embedding, into: embedded)
            operations.multiply(embedded, projection.input, into: hidden)
        } else {
            operations.embed(step, from: head.embedding, into: hidden)
        }
        operations.embedPositions(step, from: positions, offset: Self.positionOffset, into: delta)
        operations.add(delta, to: hidden)
        for (index, layer) in layers.enumerated() {
            enter(layer.attentionNorm, operations, workspace)
            layer.attention.forward(layer: index, step, operations, workspace, rotary: nil)
            leave(layer.attentionNorm, operations, workspace)
            enter(layer.feedForwardNorm, operations, workspace)
            layer.feedForward.forward(operations, workspace)
            leave(layer.feedForwardNorm, operations, workspace)
        }
        operations.advance(step)
    }

    /// Makes the input of a sublayer from the hidden state.
    private func enter(_ norm: Norm, _ operations: Operations, _ workspace: DecoderWorkspace) {
        if hasNormsBefore {
            operations.normalize(workspace.hidden.matrix, norm, into: workspace.normed.matrix)
        } else {
            operations.copy(workspace.hidden.matrix, into: workspace.normed.matrix)
        }
    }

    /// Adds the output of a sublayer to the hidden state.
    private func leave(_ norm: Norm, _ operations: Operations, _ workspace: DecoderWorkspace) {
        operations.add(workspace.delta.matrix, to: workspace.hidden.matrix)
        if !hasNormsBefore { operations.normalize(workspace.hidden.matrix, norm, into: workspace.hidden.matrix) }
    }

    func logits(
        rows: Range<Int>, _ operations: Operations, _ workspace: DecoderWorkspace,
        into logits: UnsafeMutableBufferPointer<Float>
    ) {
        var last = workspace.hidden.matrix.rows(rows)
        let normed = workspace.normed.matrix.rows(0..<rows.count)
        if let finalNorm {
            operations.normalize(last, finalNorm, into: normed)
            last = normed
        }
        if let projection {
            let narrow = workspace.delta.matrix.rows(0..<rows.count).columns(0..<projection.output.rows)
            operations.multiply(last, projection.output, into: narrow)
            last = narrow
        }
        head.forward(last, operations, into: logits)
    }
}

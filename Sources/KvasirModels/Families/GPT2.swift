internal import KvasirCodecs
internal import KvasirNumerics
internal import KvasirWeights

extension ModelFamily {
    /// GPT-2.
    static let gpt2 = ModelFamily(gguf: ["gpt2"], huggingFace: ["gpt2"], GPT2Model.self)
}

/// GPT-2: layer norms before attention and MLP, learned positions, GELU, biases everywhere.
///
/// Source: Radford et al., "Language models are unsupervised multitask learners" (2019), section 2.3. Hugging Face folders
/// have input channels as rows; GGUF files have output channels, as all others.
struct GPT2Model: LoadableModel {
    let info: ModelInfo
    let weightBytes: Int

    private let positions: WeightTensor
    private let layers: [Layer]
    private let finalNorm: Norm
    private let head: OutputHead

    private struct Layer: Sendable {
        let attentionNorm: Norm
        let attention: SelfAttention
        let feedForwardNorm: Norm
        let feedForward: PlainMLP
    }

    init(_ checkpoint: Checkpoint, threads: ThreadPool) throws {
        let configuration = try DecoderConfiguration(checkpoint, feedForwardSize: { 4 * $0 })
        let epsilon = try checkpoint.epsilon(.layerEpsilon)
        let activation = try checkpoint.activation(
            ["gelu_new": PlainActivation.geluTanh, "gelu_pytorch_tanh": .geluTanh, "relu": .relu], default: .geluTanh)
        try Self.refuseVariants(checkpoint)
        let tensors = try TensorLoader(checkpoint, names: Self.names(checkpoint.format), threads: threads)
        let hidden = configuration.hiddenSize
        let isTransposed = checkpoint.format == .huggingFace
        func norm(_ role: TensorNames.Role, layer: Int? = nil) throws -> Norm {
            Norm(
                try tensors.vector(role, layer: layer, count: hidden),
                bias: try tensors.vector(role, layer: layer, count: hidden, ".bias"), epsilon: epsilon)
        }
        positions = try tensors.table(.positionEmbedding, columns: hidden, rows: configuration.contextLength)
        var layers: [Layer] = []
        for index in 0..<configuration.layers {
            func linear(_ role: TensorNames.Role, rows: Int) throws -> LinearLayer {
                LinearLayer(
                    try tensors.linear(
                        role, layer: index, columns: hidden, rows: rows, bias: true, isTransposed: isTransposed))
            }
            layers.append(
                Layer(
                    attentionNorm: try norm(.attentionNorm, layer: index),
                    attention: SelfAttention(
                        configuration, projections: try linear(.queryKeyValue, rows: 3 * hidden),
                        output: try linear(.attentionOutput, rows: hidden)),
                    feedForwardNorm: try norm(.feedForwardNorm, layer: index),
                    feedForward: try PlainMLP(
                        configuration, tensors, layer: index, activation, isTransposed: isTransposed)))
        }
        self.layers = layers
        finalNorm = try norm(.outputNorm)
        head = try OutputHead(checkpoint, tensors, columns: hidden)
        try tensors.refuseUnused()
        weightBytes = tensors.loadedBytes
        info = try Self.info(of: checkpoint)
    }

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

    func forward(_ step: ForwardStep, _ operations: Operations, _ workspace: DecoderWorkspace) {
        workspace.resize(rows: step.rows)
        let (hidden, normed, delta) = (workspace.hidden.matrix, workspace.normed.matrix, workspace.delta.matrix)
        operations.embed(step, from: head.embedding, into: hidden)
        operations.embedPositions(step, from: positions, into: delta)
        operations.add(delta, to: hidden)
        for (index, layer) in layers.enumerated() {
            operations.normalize(hidden, layer.attentionNorm, into: normed)
            layer.attention.forward(layer: index, step, operations, workspace, rotary: nil)
            operations.add(delta, to: hidden)
            operations.normalize(hidden, layer.feedForwardNorm, into: normed)
            layer.feedForward.forward(operations, workspace)
            operations.add(delta, to: hidden)
        }
        operations.advance(step)
    }

    func logits(
        rows: Range<Int>, _ operations: Operations, _ workspace: DecoderWorkspace,
        into logits: UnsafeMutableBufferPointer<Float>
    ) {
        let normed = workspace.normed.matrix.rows(0..<rows.count)
        operations.normalize(workspace.hidden.matrix.rows(rows), finalNorm, into: normed)
        head.forward(normed, operations, into: logits)
    }
}

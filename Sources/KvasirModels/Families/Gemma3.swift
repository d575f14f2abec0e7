internal import KvasirCache
internal import KvasirCodecs
internal import KvasirNumerics
internal import KvasirWeights

extension ModelFamily {
    /// Gemma 3, text only.
    static let gemma3 = ModelFamily(gguf: ["gemma3"], huggingFace: ["gemma3_text"], Gemma3Model.self)
}

/// Gemma 3: norms before and after attention and MLP, queries and keys normed by head, most layers with a sliding window
/// and a rotary base of their own, a scaled embedding, GELU.
///
/// Source: Gemma Team, "Gemma 3 technical report" (arXiv:2503.19786), section 2.
struct Gemma3Model: LoadableModel {
    let info: ModelInfo
    let weightBytes: Int

    /// Of layers that attend to everything, and of those with a window.
    private let rotary: (full: RotaryEmbedding, sliding: RotaryEmbedding)
    private let embeddingScale: Float
    private let layers: [Layer]
    private let finalNorm: Norm
    private let head: OutputHead

    private struct Layer: Sendable {
        let isSliding: Bool
        let attentionNorm: Norm
        let attention: SelfAttention
        let attentionPostNorm: Norm
        let feedForwardNorm: Norm
        let feedForward: GatedMLP
        let feedForwardPostNorm: Norm
    }

    init(_ checkpoint: Checkpoint, threads: ThreadPool) throws {
        let configuration = try DecoderConfiguration(checkpoint)
        let epsilon = try checkpoint.epsilon(.rmsEpsilon)
        try Self.refuseWhatIsMissing(checkpoint)
        let activation = try checkpoint.activation(["gelu_pytorch_tanh": GatedActivation.geluTanh], default: .geluTanh)
        let tensors = try TensorLoader(checkpoint, names: Self.names(checkpoint.format), threads: threads)
        let (hidden, headSize) = (configuration.hiddenSize, configuration.heads.headSize)
        // Norms multiply by one more than the weights of a Hugging Face folder; GGUF files have the sum.
        let addend: Float = checkpoint.format == .gguf ? 0 : 1
        func makeNorm(_ weights: [Float]) -> Norm { Norm(weights.map { $0 + addend }, epsilon: epsilon) }
        func norm(_ role: TensorNames.Role, layer: Int? = nil) throws -> Norm {
            makeNorm(try tensors.vector(role, layer: layer, count: hidden))
        }
        info = try Self.info(of: checkpoint)
        rotary = try Self.rotary(checkpoint, headSize: headSize)
        embeddingScale = Float(hidden).squareRoot()
        let factor = try Self.scoreFactor(checkpoint, configuration)
        var layers: [Layer] = []
        for index in 0..<configuration.layers {
            layers.append(
                Layer(
                    isSliding: info.cacheShape.window(layer: index) != nil,
                    attentionNorm: try norm(.attentionNorm, layer: index),
                    attention: try SelfAttention(
                        configuration, tensors, layer: index, headNorm: makeNorm, factor: factor),
                    attentionPostNorm: try norm(.attentionPostNorm, layer: index),
                    feedForwardNorm: try norm(.feedForwardNorm, layer: index),
                    feedForward: try GatedMLP(configuration, tensors, layer: index, activation),
                    feedForwardPostNorm: try norm(.feedForwardPostNorm, layer: index)))
        }
        self.layers = layers
        finalNorm = try norm(.outputNorm)
        head = try OutputHead(checkpoint, tensors, columns: hidden)
        try tensors.refuseUnused()
        weightBytes = tensors.loadedBytes
    }

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

    func forward(_ step: ForwardStep, _ operations: Operations, _ workspace: DecoderWorkspace) {
        workspace.resize(rows: step.rows)
        let (hidden, normed, delta) = (workspace.hidden.matrix, workspace.normed.matrix, workspace.delta.matrix)
        let full = operations.rotaryTable(for: step, rotary.full)
        let sliding = operations.rotaryTable(for: step, rotary.sliding, place: 1)
        operations.embed(step, from: head.embedding, into: hidden)
        operations.scale(hidden, by: embeddingScale)
        for (index, layer) in layers.enumerated() {
            operations.normalize(hidden, layer.attentionNorm, into: normed)
            layer.attention.forward(
                layer: index, step, operations, workspace, rotary: layer.isSliding ? sliding : full)
            operations.normalize(delta, layer.attentionPostNorm, into: delta)
            operations.add(delta, to: hidden)
            operations.normalize(hidden, layer.feedForwardNorm, into: normed)
            layer.feedForward.forward(operations, workspace)
            operations.normalize(delta, layer.feedForwardPostNorm, into: delta)
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

internal import KvasirCodecs
internal import KvasirNumerics
internal import KvasirWeights

/// The decoder of Llama and of the families that took it over with small changes: RMS norms before attention and MLP,
/// grouped-query attention with rotary embedding, SwiGLU.
///
/// Grouped queries: Ainslie et al. (arXiv:2305.13245).
enum GatedDecoder {
    /// In what the families differ.
    struct Traits: Sendable {
        /// Which channels rotary embedding turns together.
        let channelOrder: ChannelOrder
        /// Whether queries, keys and values have biases.
        var hasProjectionBiases = false
        /// Whether queries and keys are normed by head.
        var hasHeadNorms = false
        /// Whether files state a sliding window without using it, unless they say that they do.
        var isWindowOptional = false
    }

    static func load(_ checkpoint: Checkpoint, _ traits: Traits, _ loading: LoadSettings) throws -> DecoderModel {
        let configuration = try DecoderConfiguration(checkpoint)
        let epsilon = try checkpoint.epsilon(.rmsEpsilon)
        let activation = try checkpoint.activation(["silu": GatedActivation.silu], default: .silu)
        let tensors = try TensorLoader(checkpoint, names: .llama(checkpoint.format), loading)
        let (hidden, headSize) = (configuration.hiddenSize, configuration.heads.headSize)
        func norm(_ role: TensorNames.Role, layer: Int? = nil) throws -> Norm {
            Norm(try tensors.vector(role, layer: layer, count: hidden), epsilon: epsilon)
        }
        let rotary = try RotaryEmbedding(
            checkpoint, .llama(checkpoint.format), headSize: headSize, order: traits.channelOrder)
        tensors.passOver(.rotaryFactors)
        // One by one, not by `map`, which would first make room for as many layers as the file claims to have.
        var layers: [DecoderLayer] = []
        for index in 0..<configuration.layers {
            layers.append(
                try tensors.finish(
                    layer: index,
                    DecoderLayer(
                        attentionNorms: SublayerNorms(before: try norm(.attentionNorm, layer: index)),
                        attention: try SelfAttention(
                            configuration, tensors, layer: index, bias: traits.hasProjectionBiases,
                            headNorm: traits.hasHeadNorms ? { Norm($0, epsilon: epsilon) } : nil),
                        rotary: 0, feedForwardNorms: SublayerNorms(before: try norm(.feedForwardNorm, layer: index)),
                        feedForward: try GatedMLP(configuration, tensors, layer: index, activation))))
        }
        let head = try OutputHead(checkpoint, tensors, norm: try norm(.outputNorm), columns: hidden)
        return try DecoderModel(
            try info(of: checkpoint, traits), embedding: InputEmbedding(tokens: head.embedding), layers: layers,
            head: head, rotary: [rotary], from: tensors)
    }

    /// Sizes and names, read without repacking a weight.
    static func info(of checkpoint: Checkpoint, _ traits: Traits) throws -> ModelInfo {
        let configuration = try DecoderConfiguration(checkpoint)
        let names = TensorNames.llama(checkpoint.format)
        return try configuration.info(
            of: checkpoint, names: names,
            rotary: [RotaryEmbedding](
                repeating: try RotaryEmbedding(
                    checkpoint, names, headSize: configuration.heads.headSize, order: traits.channelOrder),
                count: configuration.layers),
            windows: try checkpoint.slidingWindows(
                layers: configuration.layers, isOptional: traits.isWindowOptional
            ) { layer in
                // Qwen names the first layer with a window; Mistral has one in all of them.
                layer >= (try checkpoint.metadata.integer(ifPresent: "max_window_layers") ?? 0)
            }, keyBiases: traits.hasProjectionBiases ? try checkpoint.keyBiases(names, configuration) : [])
    }
}

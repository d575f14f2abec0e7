internal import KvasirCodecs
internal import KvasirNumerics

/// The Llama family, Mistral among it: RMS norms, grouped-query attention with rotary embedding, SwiGLU; no biases.
///
/// Source: Touvron et al., "LLaMA" (arXiv:2302.13971), section 2.2; grouped queries: Ainslie et al. (arXiv:2305.13245).
/// GGUF stores query and key rows permuted so that rotary embedding turns neighbouring channels.
struct LlamaModel: ModelFamily {
    static let ggufArchitectures = ["llama"]
    static let modelTypes = ["llama", "mistral"]

    let info: ModelInfo
    let weightBytes: Int

    private let rotary: RotaryEmbedding
    private let layers: [Layer]
    private let finalNorm: Norm
    private let head: OutputHead

    private struct Layer: Sendable {
        let attentionNorm: Norm
        let attention: SelfAttention
        let feedForwardNorm: Norm
        let feedForward: GatedMLP
    }

    init(_ checkpoint: Checkpoint, threads: ThreadPool) throws {
        let configuration = try DecoderConfiguration(checkpoint)
        let epsilon = try checkpoint.epsilon(.rmsEpsilon)
        let activation = try checkpoint.activation(["silu": GatedActivation.silu], default: .silu)
        let tensors = try TensorLoader(checkpoint, names: Self.names(checkpoint.format), threads: threads)
        let hidden = configuration.hiddenSize
        func norm(_ role: TensorNames.Role, layer: Int? = nil) throws -> Norm {
            Norm(try tensors.vector(role, layer: layer, count: hidden), epsilon: epsilon)
        }
        rotary = try RotaryEmbedding(
            checkpoint, headSize: configuration.heads.headSize, order: Self.order(checkpoint.format),
            factors: try tensors.rotaryFactors(headSize: configuration.heads.headSize))
        // One by one, not by `map`, which would first make room for as many layers as the file claims to have.
        var layers: [Layer] = []
        for index in 0..<configuration.layers {
            layers.append(
                Layer(
                    attentionNorm: try norm(.attentionNorm, layer: index),
                    attention: try SelfAttention(configuration, tensors, layer: index),
                    feedForwardNorm: try norm(.feedForwardNorm, layer: index),
                    feedForward: try GatedMLP(configuration, tensors, layer: index, activation)))
        }
        self.layers = layers
        finalNorm = try norm(.outputNorm)
        head = try OutputHead(checkpoint, tensors, columns: hidden)
        try tensors.refuseUnused()
        weightBytes = tensors.loadedBytes
        info = try Self.info(of: checkpoint)
    }

    static func info(of checkpoint: Checkpoint) throws -> ModelInfo {
        try DecoderConfiguration(checkpoint).info(
            of: checkpoint, names: names(checkpoint.format), channelOrder: order(checkpoint.format))
    }

    private static func names(_ format: Checkpoint.Format) -> TensorNames {
        format == .gguf ? .gguf : .huggingFace
    }

    private static func order(_ format: Checkpoint.Format) -> ChannelOrder {
        format == .gguf ? .interleaved : .halves
    }

    func forward(_ step: ForwardStep, _ operations: Operations, _ workspace: DecoderWorkspace) {
        workspace.resize(rows: step.rows)
        let (hidden, normed, delta) = (workspace.hidden.matrix, workspace.normed.matrix, workspace.delta.matrix)
        let rotary = operations.rotaryTable(for: step, rotary)
        operations.embed(step, from: head.embedding, into: hidden)
        for (index, layer) in layers.enumerated() {
            operations.normalize(hidden, layer.attentionNorm, into: normed)
            layer.attention.forward(layer: index, step, operations, workspace, rotary: rotary)
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

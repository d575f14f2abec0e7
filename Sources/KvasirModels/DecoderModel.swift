public import KvasirCache
public import KvasirCodecs

/// A decoder-only language model, its weights loaded: an embedding, layers of attention and MLP, an output head.
///
/// The one forward pass of all families, which differ in what their layers are made of. It reaches memory only through
/// `Operations`, so that another device can supply the same operations.
public struct DecoderModel: Sendable {
    /// Sizes and names.
    public let info: ModelInfo
    /// Bytes of the weights in memory.
    public let weightBytes: Int

    let embedding: InputEmbedding
    let layers: [DecoderLayer]
    let head: OutputHead
    /// The different rotary embeddings of the layers; empty if positions are learned.
    let rotary: [RotaryEmbedding]

    /// Puts a model together from what was read of a checkpoint, all of whose tensors must have been asked for.
    ///
    /// - Throws: `ModelError` if the file has a tensor that nobody asked for: ignoring it would compute another model.
    init(
        _ info: ModelInfo, embedding: InputEmbedding, layers: [DecoderLayer], head: OutputHead,
        rotary: [RotaryEmbedding] = [], from tensors: TensorLoader
    ) throws(ModelError) {
        try tensors.refuseUnused()
        self.info = info
        self.embedding = embedding
        self.layers = layers
        self.head = head
        self.rotary = rotary
        weightBytes = tensors.loadedBytes
    }

    /// Runs the tokens of a step through all layers, stores their keys and values and counts them as cached.
    ///
    /// The final hidden states stay in `workspace` for `logits`.
    public func forward(_ step: ForwardStep, _ operations: Operations, _ workspace: DecoderWorkspace) {
        workspace.resize(rows: step.rows)
        operations.makeRotaryTables(for: step, rotary)
        embedding.forward(step, operations, workspace)
        for (index, layer) in layers.enumerated() {
            layer.forward(index, step, operations, workspace)
        }
        operations.advance(step)
    }

    /// Computes the logits of some rows of the last step: rows x `info.vocabularySize`.
    public func logits(
        rows: Range<Int>, _ operations: Operations, _ workspace: DecoderWorkspace,
        into logits: UnsafeMutableBufferPointer<Float>
    ) {
        head.forward(rows: rows, operations, workspace, into: logits)
    }
}

/// Sizes and names of a model.
public struct ModelInfo: Sendable, Hashable {
    /// The family as the file names it, `llama` for example.
    public let architecture: String
    /// The model's name as the file gives it.
    public let name: String
    /// Tokens the model knows.
    public let vocabularySize: Int
    /// The longest context the model was made for.
    public let contextLength: Int
    /// Width of the hidden state.
    public let hiddenSize: Int
    /// Width inside the MLP.
    public let feedForwardSize: Int
    /// The shape of its cache.
    public let cacheShape: CacheShape
    /// How the keys of each layer are turned by position; empty if positions are learned.
    public let rotary: [RotaryEmbedding]

    /// Which channels of a head rotary embedding turns together; nil if positions are learned.
    public var channelOrder: ChannelOrder? { rotary.first?.order }
}

/// The activations of a step, by role; reused from step to step.
public final class DecoderWorkspace {
    /// The residual stream.
    let hidden: Activations
    /// Its normalized form, input of the linear layers.
    let normed: Activations
    /// Queries, keys and values side by side.
    let projections: Activations
    /// The output of attention, before its projection.
    let attended: Activations
    /// What attention or the MLP adds to the residual stream.
    let delta: Activations
    /// The two inputs of the MLP's activation side by side.
    let gateAndUp: Activations

    private let all: [Activations]

    /// Creates the workspace of a model; it takes memory with the first step.
    public init(_ info: ModelInfo) {
        let queryWidth = info.cacheShape.queryHeads * info.cacheShape.heads.headSize
        let width = info.cacheShape.heads.width
        hidden = Activations(columns: info.hiddenSize)
        normed = Activations(columns: info.hiddenSize)
        projections = Activations(columns: queryWidth + 2 * width)
        attended = Activations(columns: queryWidth)
        delta = Activations(columns: info.hiddenSize)
        gateAndUp = Activations(columns: 2 * info.feedForwardSize)
        all = [hidden, normed, projections, attended, delta, gateAndUp]
    }

    func resize(rows: Int) {
        for activations in all { activations.resize(rows: rows) }
    }

    /// Bytes of all activations.
    public var byteCount: Int { all.reduce(0) { $0 + $1.byteCount } }
}

public import KvasirCache
internal import KvasirCodecs
public import KvasirNumerics

/// Keys and values of one layer, and what the loss gains by each of them.
public struct LayerRecord {
    /// Index of the layer.
    public let layer: Int
    /// Tokens x width: as the projection gives them, normed by head where the model does so, before rotary embedding.
    public let keys: FloatMatrix
    /// Tokens x width.
    public let values: FloatMatrix
    /// The gradients of the loss with respect to `keys` and `values`, summed over the query heads of a group; nil if
    /// none were asked for.
    public let gradients: (keys: FloatMatrix, values: FloatMatrix)?
}

/// What attention of one layer reads.
public struct AttentionRecord {
    /// Index of the layer.
    public let layer: Int
    /// Tokens x (query heads x head size), after rotary embedding.
    public let queries: FloatMatrix
    /// Tokens x width, after rotary embedding.
    public let keys: FloatMatrix
    /// Tokens x width.
    public let values: FloatMatrix
    /// What scores are multiplied by.
    public let factor: Float
}

/// Runs sequences through a model in float32 and hands out keys and values, with their gradients if wanted.
///
/// The loss is the mean cross-entropy of the next token. Held are the residual stream and the attention output of every
/// layer, 4 (hidden size + query width) bytes a token and layer; what lies inside a layer is computed once more when the
/// backward pass reaches it.
public final class GradientPass {
    private let model: DecoderModel
    private let plan: CachePlan
    private let pool: PagePool
    private let operations: Operations
    private let gradientOperations: GradientOperations
    private let attention: AttentionGradient
    private let workspace: DecoderWorkspace

    /// The residual stream before every layer.
    private let inputs: [Activations]
    /// The output of every layer's attention, before its projection.
    private let attended: [Activations]
    private let buffers: Buffers

    /// What one layer's backward pass needs.
    private final class Buffers {
        /// The gradient of the residual stream.
        let stream: Activations
        /// The gradients of what a sublayer adds, and of what it reads.
        let added: Activations
        let normed: Activations
        /// Queries, keys and values as projected, and as attention reads them; their gradients.
        let raw: Activations
        let turned: Activations
        let parts: Activations
        /// The gradient of attention's output.
        let attended: Activations
        let attentionTrace: SublayerTrace
        let feedForwardTrace: SublayerTrace

        init(_ info: ModelInfo) {
            let hidden = info.hiddenSize
            let queryWidth = info.cacheShape.queryHeads * info.cacheShape.heads.headSize
            let width = queryWidth + 2 * info.cacheShape.heads.width
            stream = Activations(columns: hidden)
            added = Activations(columns: hidden)
            normed = Activations(columns: hidden)
            raw = Activations(columns: width)
            turned = Activations(columns: width)
            parts = Activations(columns: width)
            attended = Activations(columns: queryWidth)
            attentionTrace = SublayerTrace(columns: hidden)
            feedForwardTrace = SublayerTrace(columns: hidden)
        }

        func resize(rows: Int) {
            for buffer in [stream, added, normed, raw, turned, parts, attended] { buffer.resize(rows: rows) }
            attentionTrace.resize(rows: rows)
            feedForwardTrace.resize(rows: rows)
        }
    }

    /// Changes keys (before rotary embedding) and values of a layer while a sequence is run: for tests of gradients.
    var intervention: ((_ layer: Int, _ keys: FloatMatrix, _ values: FloatMatrix) -> Void)?

    /// Prepares passes through a model; takes memory with the first.
    ///
    /// - Throws: `CacheError` if the model's heads do not suit a float32 cache.
    public init(_ model: DecoderModel, instructionSet: InstructionSet, threads: ThreadPool) throws(CacheError) {
        self.model = model
        plan = try CachePlan(
            CacheConfiguration(parsing: "f32"), shape: model.info.cacheShape, instructionSet: instructionSet)
        pool = PagePool(plan: plan)
        operations = Operations(plan: plan, instructionSet: instructionSet, threads: threads, precision: .float32)
        gradientOperations = GradientOperations(operations)
        attention = AttentionGradient(operations)
        workspace = DecoderWorkspace(model.info)
        let (hidden, heads) = (model.info.hiddenSize, model.info.cacheShape)
        inputs = (0...model.layers.count).map { _ in Activations(columns: hidden) }
        attended = model.layers.map { _ in Activations(columns: heads.queryHeads * heads.heads.headSize) }
        buffers = Buffers(model.info)
    }

    /// Runs a sequence forwards and hands out the keys and values of every layer, from the first to the last.
    ///
    /// - Parameters:
    ///   - tokens: ids of the vocabulary, no more than the model's context.
    ///   - onLayer: called for every layer; what it is given is valid during the call only.
    /// - Throws: `CacheError` if there is no memory; whatever `onLayer` throws.
    public func record(_ tokens: [Int32], onLayer: (LayerRecord) throws -> Void) throws {
        try forward(
            tokens,
            onProjection: { layer, parts in
                try onLayer(LayerRecord(layer: layer, keys: parts.keys, values: parts.values, gradients: nil))
            })
    }

    /// Runs a sequence forwards and hands out what attention of every layer reads, from the first to the last.
    ///
    /// - Parameters:
    ///   - tokens: as of `record`.
    ///   - onLayer: as of `record`.
    /// - Throws: as `record`.
    public func recordAttention(_ tokens: [Int32], onLayer: (AttentionRecord) throws -> Void) throws {
        try forward(
            tokens,
            onAttention: { try onLayer(record($1, layer: $0)) })
    }

    private func record(_ parts: SelfAttention.Parts, layer: Int) -> AttentionRecord {
        AttentionRecord(
            layer: layer, queries: parts.queries, keys: parts.keys, values: parts.values,
            factor: model.layers[layer].attention.factor)
    }

    /// Runs a sequence forwards and backwards and hands out keys, values and gradients, from the last layer to the first.
    ///
    /// - Parameters:
    ///   - tokens: at least two.
    ///   - onLayer: as of `record`.
    /// - Returns: the loss, in nats per token.
    /// - Throws: as `record`.
    public func backward(_ tokens: [Int32], onLayer: (LayerRecord) throws -> Void) throws -> Double {
        precondition(tokens.count > 1, "a loss needs a next token")
        try forward(tokens)
        buffers.resize(rows: tokens.count)
        let loss = model.head.backward(tokens, into: buffers.stream.matrix, gradientOperations, workspace)
        for index in model.layers.indices.reversed() { try backward(layer: index, onLayer: onLayer) }
        return loss
    }

    /// The loss of a sequence, in nats per token.
    ///
    /// - Parameter onAttention: may put other keys and values in the place of those that attention is about to read.
    func loss(_ tokens: [Int32], onAttention: (AttentionRecord) throws -> Void = { _ in }) throws -> Double {
        try forward(tokens, onAttention: { try onAttention(record($1, layer: $0)) })
        buffers.resize(rows: tokens.count)
        return model.head.backward(tokens, into: buffers.stream.matrix, gradientOperations, workspace)
    }

    // MARK: Forwards

    /// - Parameters:
    ///   - onProjection: sees queries, keys and values of every layer before rotary embedding.
    ///   - onAttention: sees them after it.
    private func forward(
        _ tokens: [Int32], onProjection: (Int, SelfAttention.Parts) throws -> Void = { _, _ in },
        onAttention: (Int, SelfAttention.Parts) throws -> Void = { _, _ in }
    ) throws {
        let sequence = CacheSequence(plan: plan, pool: pool)
        try sequence.reserve(tokens.count)
        let step = ForwardStep([.init(sequence: sequence, tokens: tokens)])
        workspace.resize(rows: step.rows)
        for activations in inputs + attended { activations.resize(rows: step.rows) }
        operations.makeRotaryTables(for: step, model.rotary)
        model.embedding.forward(step, operations, workspace)
        for (index, layer) in model.layers.enumerated() {
            operations.copy(workspace.hidden.matrix, into: inputs[index].matrix)
            layer.attentionNorms.enter(operations, workspace)
            let parts = layer.attention.project(operations, workspace)
            intervention?(index, parts.keys, parts.values)
            try onProjection(index, parts)
            if let rotary = layer.rotary { layer.attention.rotate(parts, operations.rotaryTable(rotary), operations) }
            try onAttention(index, parts)
            operations.attend(
                layer: index, step, queries: parts.queries, keys: parts.keys, values: parts.values,
                factor: layer.attention.factor, into: workspace.attended.matrix)
            operations.copy(workspace.attended.matrix, into: attended[index].matrix)
            operations.multiply(workspace.attended.matrix, layer.attention.output, into: workspace.delta.matrix)
            layer.attentionNorms.leave(operations, workspace)
            layer.feedForwardNorms.enter(operations, workspace)
            layer.feedForward.forward(operations, workspace)
            layer.feedForwardNorms.leave(operations, workspace)
        }
        operations.copy(workspace.hidden.matrix, into: inputs[model.layers.count].matrix)
        operations.advance(step)
    }

    // MARK: Backwards

    /// Takes the gradient of the layer's output in `buffers.stream` and leaves there that of its input.
    private func backward(layer index: Int, onLayer: (LayerRecord) throws -> Void) rethrows {
        let layer = model.layers[index]
        let (stream, added, normed) = (buffers.stream.matrix, buffers.added.matrix, buffers.normed.matrix)
        // Up to the input of the MLP once more; beyond it if the norms of its output need that.
        operations.copy(inputs[index].matrix, into: workspace.hidden.matrix)
        layer.attentionNorms.enter(operations, workspace, saving: buffers.attentionTrace)
        if layer.attention.queryNorm != nil || layer.attention.keyNorm != nil {
            operations.multiply(workspace.normed.matrix, layer.attention.projections, into: buffers.raw.matrix)
        }
        let parts = layer.attention.project(operations, workspace)
        operations.multiply(attended[index].matrix, layer.attention.output, into: workspace.delta.matrix)
        layer.attentionNorms.leave(operations, workspace, saving: buffers.attentionTrace)
        layer.feedForwardNorms.enter(operations, workspace, saving: buffers.feedForwardTrace)
        if layer.feedForwardNorms.needsOutput {
            layer.feedForward.forward(operations, workspace)
            layer.feedForwardNorms.leave(operations, workspace, saving: buffers.feedForwardTrace)
        }

        layer.feedForwardNorms.leaveBackward(stream, into: added, gradientOperations, buffers.feedForwardTrace)
        layer.feedForward.backward(added, into: normed, gradientOperations, workspace)
        layer.feedForwardNorms.enterBackward(normed, addingTo: stream, gradientOperations, buffers.feedForwardTrace)

        layer.attentionNorms.leaveBackward(stream, into: added, gradientOperations, buffers.attentionTrace)
        try backward(layer: index, parts, onLayer: onLayer)
        layer.attentionNorms.enterBackward(normed, addingTo: stream, gradientOperations, buffers.attentionTrace)
    }

    /// Takes the gradient of what attention adds in `buffers.added` and leaves that of its input in `buffers.normed`.
    ///
    /// - Parameter parts: queries, keys and values, normed by head and not turned.
    private func backward(
        layer index: Int, _ parts: SelfAttention.Parts, onLayer: (LayerRecord) throws -> Void
    ) rethrows {
        let (layer, heads) = (model.layers[index], model.info.cacheShape.heads)
        operations.copy(workspace.projections.matrix, into: buffers.turned.matrix)
        let turned = layer.attention.parts(of: buffers.turned.matrix)
        let gradients = layer.attention.parts(of: buffers.parts.matrix)
        if let rotary = layer.rotary { layer.attention.rotate(turned, operations.rotaryTable(rotary), operations) }
        gradientOperations.multiplyTransposed(
            buffers.added.matrix, layer.attention.output, into: buffers.attended.matrix)
        attention.backward(
            turned, output: attended[index].matrix, gradient: buffers.attended.matrix, heads: heads,
            factor: layer.attention.factor, window: model.info.cacheShape.window(layer: index), into: gradients)
        if let rotary = layer.rotary {
            // A turn's transpose is the turn back.
            operations.rotaryTable(rotary).withInverse(rows: gradients.keys.rows) {
                layer.attention.rotate(gradients, $0, operations)
            }
        }
        try onLayer(
            LayerRecord(
                layer: index, keys: parts.keys, values: parts.values, gradients: (gradients.keys, gradients.values)))
        let raw = layer.attention.parts(of: buffers.raw.matrix)
        if let norm = layer.attention.queryNorm {
            gradientOperations.normalizeBackward(
                raw.queries, heads: layer.attention.queryHeads, norm, gradients.queries, into: gradients.queries)
        }
        if let norm = layer.attention.keyNorm {
            gradientOperations.normalizeBackward(
                raw.keys, heads: heads.kvHeads, norm, gradients.keys, into: gradients.keys)
        }
        gradientOperations.multiplyTransposed(
            buffers.parts.matrix, layer.attention.projections, into: buffers.normed.matrix)
    }
}

internal import KvasirCodecs
internal import KvasirNumerics

/// Attention of one layer on the cache: projections, norms of heads, rotary embedding, store and attend, output.
struct SelfAttention: Sendable {
    /// Queries, keys and values side by side.
    let projections: LinearLayer
    let output: LinearLayer
    /// Of every query head; nil for none.
    let queryNorm: Norm?
    /// Of every key head; nil for none.
    let keyNorm: Norm?
    /// What scores are multiplied by.
    let factor: Float

    private let queryHeads: Int
    private let heads: HeadShape

    init(
        _ configuration: DecoderConfiguration, projections: LinearLayer, output: LinearLayer, queryNorm: Norm? = nil,
        keyNorm: Norm? = nil, factor: Float? = nil
    ) {
        self.projections = projections
        self.output = output
        self.queryNorm = queryNorm
        self.keyNorm = keyNorm
        self.factor = factor ?? Operations.scoreFactor(headSize: configuration.heads.headSize)
        queryHeads = configuration.queryHeads
        heads = configuration.heads
    }

    /// Reads query, key, value and output matrices of a layer.
    ///
    /// - Parameters:
    ///   - bias: whether queries, keys and values have one.
    ///   - outputBias: whether the output has one.
    ///   - norm: what norms queries and keys by head, from the weights; nil for none.
    init(
        _ configuration: DecoderConfiguration, _ tensors: TensorLoader, layer: Int, bias: Bool = false,
        outputBias: Bool = false, headNorm: (([Float]) -> Norm)? = nil, factor: Float? = nil
    ) throws {
        let (hidden, width) = (configuration.hiddenSize, configuration.heads.width)
        let headSize = configuration.heads.headSize
        func linear(_ role: TensorNames.Role, rows: Int) throws -> LinearWeight {
            try tensors.linear(role, layer: layer, columns: hidden, rows: rows, bias: bias)
        }
        self.init(
            configuration,
            projections: LinearLayer(
                try linear(.query, rows: configuration.queryWidth), try linear(.key, rows: width),
                try linear(.value, rows: width)),
            output: LinearLayer(
                try tensors.linear(
                    .attentionOutput, layer: layer, columns: configuration.queryWidth, rows: hidden, bias: outputBias)),
            queryNorm: try headNorm?(tensors.vector(.queryNorm, layer: layer, count: headSize)),
            keyNorm: try headNorm?(tensors.vector(.keyNorm, layer: layer, count: headSize)), factor: factor)
    }

    /// Takes `workspace.normed` and leaves the result in `workspace.delta`.
    ///
    /// - Parameter rotary: nil where positions are learned.
    func forward(
        layer: Int, _ step: ForwardStep, _ operations: Operations, _ workspace: DecoderWorkspace, rotary: RotaryTable?
    ) {
        let attended = workspace.attended.matrix
        let all = workspace.projections.matrix
        let keyStart = attended.columns
        let valueStart = keyStart + heads.width
        let queries = all.columns(0..<keyStart)
        let keys = all.columns(keyStart..<valueStart)
        let values = all.columns(valueStart..<all.columns)
        operations.multiply(workspace.normed.matrix, projections, into: all)
        if let queryNorm { operations.normalize(queries, heads: queryHeads, queryNorm) }
        if let keyNorm { operations.normalize(keys, heads: heads.kvHeads, keyNorm) }
        if let rotary {
            operations.rotate(queries, heads: queryHeads, rotary)
            operations.rotate(keys, heads: heads.kvHeads, rotary)
        }
        operations.attend(
            layer: layer, step, queries: queries, keys: keys, values: values, factor: factor, into: attended)
        operations.multiply(attended, output, into: workspace.delta.matrix)
    }
}

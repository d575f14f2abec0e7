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

    let queryHeads: Int
    let heads: HeadShape

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

    /// The same with other matrices.
    init(_ other: SelfAttention, projections: LinearLayer, output: LinearLayer) {
        self.projections = projections
        self.output = output
        queryNorm = other.queryNorm
        keyNorm = other.keyNorm
        factor = other.factor
        queryHeads = other.queryHeads
        heads = other.heads
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
        let parts = project(operations, workspace)
        if let rotary { rotate(parts, rotary, operations) }
        operations.attend(
            layer: layer, step, queries: parts.queries, keys: parts.keys, values: parts.values, factor: factor,
            into: workspace.attended.matrix)
        operations.multiply(workspace.attended.matrix, output, into: workspace.delta.matrix)
    }

    /// Queries, keys and values of a step's rows: heads side by side.
    struct Parts {
        let queries: FloatMatrix
        let keys: FloatMatrix
        let values: FloatMatrix
    }

    /// Views of queries, keys and values that lie side by side.
    func parts(of all: FloatMatrix) -> Parts {
        let keyStart = queryHeads * heads.headSize
        let valueStart = keyStart + heads.width
        return Parts(
            queries: all.columns(0..<keyStart), keys: all.columns(keyStart..<valueStart),
            values: all.columns(valueStart..<all.columns))
    }

    /// Computes queries, keys and values, normed by head and not yet turned, from `workspace.normed`.
    func project(_ operations: Operations, _ workspace: DecoderWorkspace) -> Parts {
        let parts = parts(of: workspace.projections.matrix)
        operations.multiply(workspace.normed.matrix, projections, into: workspace.projections.matrix)
        if let queryNorm { operations.normalize(parts.queries, heads: queryHeads, queryNorm) }
        if let keyNorm { operations.normalize(parts.keys, heads: heads.kvHeads, keyNorm) }
        return parts
    }

    /// Turns queries and keys by position.
    func rotate(_ parts: Parts, _ rotary: RotaryTable, _ operations: Operations) {
        operations.rotate(parts.queries, heads: queryHeads, rotary)
        operations.rotate(parts.keys, heads: heads.kvHeads, rotary)
    }
}

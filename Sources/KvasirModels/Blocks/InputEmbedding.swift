internal import KvasirNumerics
internal import KvasirWeights

/// From tokens to hidden states.
struct InputEmbedding: Sendable {
    /// The embeddings of tokens.
    let tokens: EmbeddingTable
    /// What they are multiplied by; nil for nothing.
    var scale: Float? = nil
    /// From the width of the embeddings to that of the hidden state; nil if they are the same.
    var projection: LinearLayer? = nil
    /// Learned positions; nil if positions are turned in attention.
    var positions: Positions? = nil

    /// A table of learned positions.
    struct Positions: Sendable {
        let table: WeightTensor
        /// Rows of the table before that of the first position.
        var offset = 0
    }

    /// Writes the hidden state of every token of a step.
    func forward(_ step: ForwardStep, _ operations: Operations, _ workspace: DecoderWorkspace) {
        let hidden = workspace.hidden.matrix
        if let projection {
            let embedded = workspace.normed.matrix.columns(0..<projection.columns)
            operations.embed(step, from: tokens, into: embedded)
            operations.multiply(embedded, projection, into: hidden)
        } else {
            operations.embed(step, from: tokens, into: hidden)
        }
        if let scale { operations.scale(hidden, by: scale) }
        if let positions {
            let delta = workspace.delta.matrix
            operations.embedPositions(step, from: positions.table, offset: positions.offset, into: delta)
            operations.add(delta, to: hidden)
        }
    }
}

internal import KvasirNumerics

/// One layer of a decoder: attention, then an MLP, each with its norms.
struct DecoderLayer: Sendable {
    let attentionNorms: SublayerNorms
    let attention: SelfAttention
    /// Which of the model's rotary embeddings turns queries and keys; nil where positions are learned.
    var rotary: Int? = nil
    let feedForwardNorms: SublayerNorms
    let feedForward: any FeedForward

    /// Runs the rows of a step; `workspace.hidden` is input and output.
    func forward(_ index: Int, _ step: ForwardStep, _ operations: Operations, _ workspace: DecoderWorkspace) {
        attentionNorms.enter(operations, workspace)
        attention.forward(
            layer: index, step, operations, workspace, rotary: rotary.map { operations.rotaryTable($0) })
        attentionNorms.leave(operations, workspace)
        feedForwardNorms.enter(operations, workspace)
        feedForward.forward(operations, workspace)
        feedForwardNorms.leave(operations, workspace)
    }
}

/// Where norms stand around attention or an MLP: `hidden = behind(hidden + after(sublayer(before(hidden))))`.
struct SublayerNorms: Sendable {
    /// Of the sublayer's input, as in most families.
    var before: Norm? = nil
    /// Of what the sublayer adds, as in Gemma.
    var after: Norm? = nil
    /// Of the sum, as in the first transformers.
    var behind: Norm? = nil

    /// Makes the input of the sublayer, `workspace.normed`, from the hidden state.
    func enter(_ operations: Operations, _ workspace: DecoderWorkspace) {
        if let before {
            operations.normalize(workspace.hidden.matrix, before, into: workspace.normed.matrix)
        } else {
            operations.copy(workspace.hidden.matrix, into: workspace.normed.matrix)
        }
    }

    /// Adds the output of the sublayer, `workspace.delta`, to the hidden state.
    func leave(_ operations: Operations, _ workspace: DecoderWorkspace) {
        let (hidden, delta) = (workspace.hidden.matrix, workspace.delta.matrix)
        if let after { operations.normalize(delta, after, into: delta) }
        operations.add(delta, to: hidden)
        if let behind { operations.normalize(hidden, behind, into: hidden) }
    }
}

/// The MLP of a layer.
protocol FeedForward: Sendable {
    /// What its input meets.
    var inputLayer: LinearLayer { get }
    /// What makes its output.
    var down: LinearLayer { get }

    /// The same with its matrices converted.
    ///
    /// - Parameter norm: what makes the input, and nothing else; nil if there is no such norm.
    func converted(by converter: LayerConverter, norm: inout Norm?) throws(ModelError) -> Self

    /// Takes `workspace.normed` and leaves the result in `workspace.delta`.
    func forward(_ operations: Operations, _ workspace: DecoderWorkspace)

    /// Takes `workspace.normed` and the gradient of the result, and gives the gradient of `workspace.normed`.
    ///
    /// - Parameters:
    ///   - gradient: tokens x hidden size.
    ///   - input: written; the same shape.
    func backward(
        _ gradient: FloatMatrix, into input: FloatMatrix, _ operations: GradientOperations,
        _ workspace: DecoderWorkspace)
}

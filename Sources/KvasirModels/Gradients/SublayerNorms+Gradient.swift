internal import KvasirNumerics

/// What the backward pass through the norms of a sublayer needs of the forward pass.
final class SublayerTrace {
    /// The hidden state before the sublayer.
    let input: Activations
    /// What the sublayer adds, before its norm.
    let added: Activations
    /// The sum, before its norm.
    let sum: Activations

    init(columns: Int) {
        input = Activations(columns: columns)
        added = Activations(columns: columns)
        sum = Activations(columns: columns)
    }

    func resize(rows: Int) {
        for activations in [input, added, sum] { activations.resize(rows: rows) }
    }
}

extension SublayerNorms {
    /// Whether the output of the sublayer is needed for the gradients of its input.
    var needsOutput: Bool { after != nil || behind != nil }

    /// Makes the input of the sublayer.
    func enter(_ operations: Operations, _ workspace: DecoderWorkspace, saving trace: SublayerTrace) {
        operations.copy(workspace.hidden.matrix, into: trace.input.matrix)
        enter(operations, workspace)
    }

    /// Adds the output of the sublayer to the hidden state.
    func leave(_ operations: Operations, _ workspace: DecoderWorkspace, saving trace: SublayerTrace) {
        operations.copy(workspace.delta.matrix, into: trace.added.matrix)
        SublayerNorms(after: after).leave(operations, workspace)
        guard let behind else { return }
        operations.copy(workspace.hidden.matrix, into: trace.sum.matrix)
        operations.normalize(workspace.hidden.matrix, behind, into: workspace.hidden.matrix)
    }

    /// From the gradient of the hidden state behind the sublayer to those of the sum, in `stream`, and of the sublayer's
    /// output.
    func leaveBackward(
        _ stream: FloatMatrix, into added: FloatMatrix, _ operations: GradientOperations, _ trace: SublayerTrace
    ) {
        if let behind { operations.normalizeBackward(trace.sum.matrix, behind, stream, into: stream) }
        if let after {
            operations.normalizeBackward(trace.added.matrix, after, stream, into: added)
        } else {
            operations.forward.copy(stream, into: added)
        }
    }

    /// Adds the gradient that comes through the sublayer to that of the hidden state before it.
    func enterBackward(
        _ normed: FloatMatrix, addingTo stream: FloatMatrix, _ operations: GradientOperations, _ trace: SublayerTrace
    ) {
        if let before { operations.normalizeBackward(trace.input.matrix, before, normed, into: normed) }
        operations.forward.add(normed, to: stream)
    }
}

internal import KvasirNumerics

/// An MLP with one hidden layer: `down(activation(up(x)))`, both with biases.
struct PlainMLP: FeedForward {
    let up: LinearLayer
    let down: LinearLayer
    let activation: PlainActivation

    /// - Parameter isTransposed: whether the file has input channels as rows.
    init(
        _ configuration: DecoderConfiguration, _ tensors: TensorLoader, layer: Int, _ activation: PlainActivation,
        isTransposed: Bool = false
    ) throws {
        let (hidden, inner) = (configuration.hiddenSize, configuration.feedForwardSize)
        up = LinearLayer(
            try tensors.linear(
                .up, layer: layer, columns: hidden, rows: inner, bias: true, isTransposed: isTransposed))
        down = LinearLayer(
            try tensors.linear(
                .down, layer: layer, columns: inner, rows: hidden, bias: true, isTransposed: isTransposed))
        self.activation = activation
    }

    func forward(_ operations: Operations, _ workspace: DecoderWorkspace) {
        let hidden = workspace.gateAndUp.matrix.columns(0..<up.rows)
        operations.multiply(workspace.normed.matrix, up, into: hidden)
        operations.activate(activation, hidden)
        operations.multiply(hidden, down, into: workspace.delta.matrix)
    }
}

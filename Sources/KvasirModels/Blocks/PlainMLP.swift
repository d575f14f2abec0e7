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

    var inputLayer: LinearLayer { up }

    private init(up: LinearLayer, down: LinearLayer, activation: PlainActivation) {
        self.up = up
        self.down = down
        self.activation = activation
    }

    func converted(by converter: LayerConverter, norm: inout Norm?) throws(ModelError) -> PlainMLP {
        let (inputs, outputs) = (try converter.floats(up), try converter.floats(down))
        // A positive factor goes through ReLU, and through no other activation.
        let factors = activation == .relu ? try converter.factors(.down, outputs) : nil
        if let factors { converter.divideRows(of: inputs, from: 0, by: factors) }
        return PlainMLP(
            up: try converter.layer(inputs, .feedForward, foldingInto: &norm),
            down: try converter.layer(outputs, .down, factors), activation: activation)
    }

    func forward(_ operations: Operations, _ workspace: DecoderWorkspace) {
        let hidden = workspace.gateAndUp.matrix.columns(0..<up.rows)
        operations.multiply(workspace.normed.matrix, up, into: hidden)
        operations.activate(activation, hidden)
        operations.multiply(hidden, down, into: workspace.delta.matrix)
    }
}

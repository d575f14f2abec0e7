internal import KvasirNumerics

/// An MLP whose hidden layer is gated: `down(activation(gate(x)) * up(x))`; no biases.
struct GatedMLP: FeedForward {
    let gateAndUp: LinearLayer
    let down: LinearLayer
    let activation: GatedActivation

    init(
        _ configuration: DecoderConfiguration, _ tensors: TensorLoader, layer: Int, _ activation: GatedActivation
    ) throws {
        let (hidden, inner) = (configuration.hiddenSize, configuration.feedForwardSize)
        gateAndUp = LinearLayer(
            try tensors.linear(.gate, layer: layer, columns: hidden, rows: inner),
            try tensors.linear(.up, layer: layer, columns: hidden, rows: inner))
        down = LinearLayer(try tensors.linear(.down, layer: layer, columns: inner, rows: hidden))
        self.activation = activation
    }

    func forward(_ operations: Operations, _ workspace: DecoderWorkspace) {
        let both = workspace.gateAndUp.matrix
        let gate = both.columns(0..<both.columns / 2)
        operations.multiply(workspace.normed.matrix, gateAndUp, into: both)
        operations.activate(activation, gate: gate, up: both.columns(both.columns / 2..<both.columns))
        operations.multiply(gate, down, into: workspace.delta.matrix)
    }
}

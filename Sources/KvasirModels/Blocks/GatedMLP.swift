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

    var inputLayer: LinearLayer { gateAndUp }

    private init(gateAndUp: LinearLayer, down: LinearLayer, activation: GatedActivation) {
        self.gateAndUp = gateAndUp
        self.down = down
        self.activation = activation
    }

    func converted(by converter: LayerConverter, norm: inout Norm?) throws(ModelError) -> GatedMLP {
        let (inputs, outputs) = (try converter.floats(gateAndUp), try converter.floats(down))
        // What up gives goes into the product as it is.
        let factors = try converter.factors(.down, outputs)
        if let factors { converter.divideRows(of: inputs, from: gateAndUp.rows / 2, by: factors) }
        return GatedMLP(
            gateAndUp: try converter.layer(inputs, .feedForward, foldingInto: &norm),
            down: try converter.layer(outputs, .down, factors), activation: activation)
    }

    func forward(_ operations: Operations, _ workspace: DecoderWorkspace) {
        let both = workspace.gateAndUp.matrix
        let gate = both.columns(0..<both.columns / 2)
        operations.multiply(workspace.normed.matrix, gateAndUp, into: both)
        operations.activate(activation, gate: gate, up: both.columns(both.columns / 2..<both.columns))
        operations.multiply(gate, down, into: workspace.delta.matrix)
    }
}

internal import KvasirCodecs
internal import KvasirWeights

extension Checkpoint {
    /// How large the largest bias of a key channel is beside the keys that the weights make, for every layer.
    ///
    /// Keys that lie around a large value in one channel take up the levels of a block, and leave few for what differs from
    /// token to token. The size of the latter is estimated from the weights: a normed input has a mean square near one, so a
    /// channel's is near the norm of its row times the weights of the norm before.
    ///
    /// - Throws: `ModelError` for tensors of other shapes than the configuration says.
    func keyBiases(_ names: TensorNames, _ configuration: DecoderConfiguration) throws -> [Double] {
        let (hidden, width) = (configuration.hiddenSize, configuration.heads.width)
        let prefix = names.prefix(in: Set(tensors.tensorNames))
        func values(_ role: TensorNames.Role, _ layer: Int, _ ending: String, _ shape: [Int]) throws -> [Float] {
            guard let name = names.name(role, layer: layer, prefix: prefix) else {
                preconditionFailure("a family that asks for key biases has names for them")
            }
            let tensor = try tensors.tensor(named: name + ending)
            guard tensor.shape == shape else { throw shapeError(tensor, expected: "\(shape)") }
            return tensor.dequantized()
        }
        // One by one: the file may claim to have any number of layers.
        var ratios: [Double] = []
        for layer in 0..<configuration.layers {
            let bias = try values(.key, layer, ".bias", [width])
            let matrix = try values(.key, layer, ".weight", [hidden, width])
            let norm = try values(.attentionNorm, layer, ".weight", [hidden])
            var squares = 0.0
            for row in 0..<width {
                for column in 0..<hidden {
                    let product = Double(matrix[row * hidden + column] * norm[column])
                    squares += product * product
                }
            }
            let typical = (squares / Double(width)).squareRoot()
            let largest = bias.reduce(0) { max($0, abs($1)) }
            ratios.append(typical > 0 ? Double(largest) / typical : 0)
        }
        return ratios
    }
}

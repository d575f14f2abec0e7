internal import KvasirWeights

extension Checkpoint {
    /// How large the largest bias of a key channel is beside the keys that the weights make, for the worst layer.
    ///
    /// Keys that lie around a large value in one channel take up the levels of a block, and leave few for what differs from
    /// token to token. The size of the latter is estimated from the weights: a normed input has a mean square near one, so a
    /// channel's is near the norm of its row times the weights of the norm before.
    func keyBias(_ names: TensorNames, _ configuration: DecoderConfiguration) throws -> Double {
        let prefix = names.prefix(in: Set(tensors.tensorNames))
        func tensor(_ role: TensorNames.Role, _ layer: Int, _ ending: String) throws -> WeightTensor? {
            guard let name = names.name(role, layer: layer, prefix: prefix) else { return nil }
            return try tensors.tensor(named: name + ending)
        }
        var worst = 0.0
        for layer in 0..<configuration.layers {
            guard let bias = try tensor(.key, layer, ".bias"), let matrix = try tensor(.key, layer, ".weight"),
                let norm = try tensor(.attentionNorm, layer, ".weight"), norm.columns == matrix.columns
            else { continue }
            let scale = norm.dequantized()
            let values = matrix.dequantized()
            var squares = 0.0
            for (index, value) in values.enumerated() {
                let product = Double(value * scale[index % scale.count])
                squares += product * product
            }
            let typical = (squares / Double(matrix.rows)).squareRoot()
            let largest = bias.dequantized().reduce(0) { max($0, abs($1)) }
            if typical > 0 { worst = max(worst, Double(largest) / typical) }
        }
        return worst
    }
}

internal import KvasirCodecs
internal import KvasirNumerics

extension TensorLoader {
    /// A layer as it is to be held: its matrices converted if that was asked for.
    ///
    /// - Throws: `ModelError` for weights that are not numbers, and a smoothing that does not fit the layer.
    func finish(layer index: Int, _ layer: DecoderLayer) throws(ModelError) -> DecoderLayer {
        guard let conversion else { return layer }
        return try LayerConverter(conversion, layer: index, tensors: self).convert(layer)
    }
}

/// Converts the matrices of one layer.
///
/// A factor goes where it costs nothing: that of attention's and of the MLP's input into the norm before, if nothing else
/// reads the norm; that of attention's output into the rows of the values; that of the MLP's output projection into the rows
/// of up. Where there is no such place the input is not smoothed.
struct LayerConverter {
    private let conversion: WeightConversion
    private let index: Int
    private let tensors: TensorLoader

    init(_ conversion: WeightConversion, layer: Int, tensors: TensorLoader) {
        self.conversion = conversion
        index = layer
        self.tensors = tensors
    }

    /// The layer with its matrices converted.
    func convert(_ layer: DecoderLayer) throws(ModelError) -> DecoderLayer {
        var (attentionNorms, feedForwardNorms) = (layer.attentionNorms, layer.feedForwardNorms)
        let attention = try convert(layer.attention, norm: &attentionNorms.before)
        let feedForward = try layer.feedForward.converted(by: self, norm: &feedForwardNorms.before)
        return DecoderLayer(
            attentionNorms: attentionNorms, attention: attention, rotary: layer.rotary,
            feedForwardNorms: feedForwardNorms, feedForward: feedForward)
    }

    private func convert(_ attention: SelfAttention, norm: inout Norm?) throws(ModelError) -> SelfAttention {
        let projections = try floats(attention.projections)
        let output = try floats(attention.output)
        let group = attention.queryHeads / attention.heads.kvHeads
        let size = attention.heads.headSize
        // The query heads of a group read the same values: one factor for all of them.
        func values(_ channels: [Float]) -> [Float] {
            var result = [Float](repeating: 0, count: attention.heads.width)
            for (channel, value) in channels.enumerated() {
                let place = channel / size / group * size + channel % size
                result[place] = max(result[place], value)
            }
            return result
        }
        let valueFactors = try factors(.attentionOutput, output, values)
        if let valueFactors {
            divideRows(of: projections, from: attention.queryHeads * size + attention.heads.width, by: valueFactors)
        }
        let outputFactors = valueFactors.map { factors in
            (0..<attention.queryHeads * size).map { factors[$0 / size / group * size + $0 % size] }
        }
        return SelfAttention(
            attention, projections: try layer(projections, .attention, foldingInto: &norm),
            output: try layer(output, .attentionOutput, outputFactors))
    }

    /// The matrices of a linear layer as floats.
    func floats(_ layer: LinearLayer) throws(ModelError) -> [FloatWeights] {
        let floats = layer.weights.map { FloatWeights($0, threads: tensors.threads) }
        guard floats.allSatisfy(\.isFinite) else {
            throw ModelError(
                .badTensor, received: "weights of layer \(index) that are not numbers",
                remedy: "they cannot be rounded; the file is damaged, use another one")
        }
        guard conversion.rounding == nil || layer.columns <= LinearWeight.mostRoundedColumns else {
            throw ModelError(
                .unsupportedFeature, received: "a linear layer with \(layer.columns) inputs",
                remedy: "8-bit weights are supported up to \(LinearWeight.mostRoundedColumns)")
        }
        return floats
    }

    /// The factors by which the inputs of a site are divided; nil if they are not smoothed.
    ///
    /// - Parameter merge: brings channels together that must share a factor, by their largest values.
    func factors(
        _ site: SmoothingSite, _ matrices: [FloatWeights], _ merge: ([Float]) -> [Float] = { $0 }
    ) throws(ModelError) -> [Float]? {
        guard let smoothing = conversion.smoothing, smoothing.sites.contains(site) else { return nil }
        var weights = matrices[0].columnMaxima()
        for matrix in matrices.dropFirst() {
            for (column, value) in matrix.columnMaxima().enumerated() { weights[column] = max(weights[column], value) }
        }
        return smoothing.factors(
            activations: merge(try maxima(site, count: weights.count)), weights: merge(weights))
    }

    /// Divides rows counted through all matrices of a layer.
    func divideRows(of matrices: [FloatWeights], from first: Int, by factors: [Float]) {
        var start = 0
        for matrix in matrices {
            let range = (first..<first + factors.count).clamped(to: start..<start + matrix.matrix.rows)
            if !range.isEmpty {
                matrix.divideRows(
                    from: range.lowerBound - start,
                    by: Array(factors[range.lowerBound - first..<range.upperBound - first]))
            }
            start += matrix.matrix.rows
        }
    }

    /// Smooths the input of matrices with the norm that makes it, and packs them; without a norm there is no smoothing.
    func layer(
        _ matrices: [FloatWeights], _ site: SmoothingSite, foldingInto norm: inout Norm?
    ) throws(ModelError) -> LinearLayer {
        let factors = norm == nil ? nil : try factors(site, matrices)
        if let factors { norm = norm?.divided(by: factors) }
        return try layer(matrices, site, factors)
    }

    /// Packs matrices whose input was divided by factors.
    func layer(
        _ matrices: [FloatWeights], _ site: SmoothingSite, _ factors: [Float]?
    ) throws(ModelError) -> LinearLayer {
        if let factors {
            for matrix in matrices { matrix.multiplyColumns(by: factors) }
        }
        return LinearLayer(
            matrices.map { tensors.converted($0.matrix, bias: $0.bias) },
            activationLimit: try activationLimit(site, columns: matrices[0].matrix.columns, factors))
    }

    /// The largest magnitude of a smoothed input, where the scale of activations is fixed.
    private func activationLimit(
        _ site: SmoothingSite, columns: Int, _ factors: [Float]?
    ) throws(ModelError) -> Float {
        guard conversion.rounding == .perTensor else { return 0 }
        let maxima = try maxima(site, count: columns)
        return zip(maxima, factors ?? [Float](repeating: 1, count: columns)).map { $0 / $1 }.max() ?? 0
    }

    private func maxima(_ site: SmoothingSite, count: Int) throws(ModelError) -> [Float] {
        let layers = conversion.smoothing?.maxima ?? []
        guard index < layers.count, let maxima = layers[index][site], maxima.count == count else {
            throw ModelError(
                .badMetadata, received: "no maxima of \(count) channels for \(site.rawValue) of layer \(index)",
                remedy: "the calibration does not fit the model; measure it with 'kvasir calibrate smoothquant'")
        }
        return maxima
    }
}

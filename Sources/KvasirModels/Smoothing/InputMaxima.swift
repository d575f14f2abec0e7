internal import KvasirNumerics

/// The largest magnitude in every channel of the inputs of a model's linear layers, over all tokens that were run.
///
/// Attached to `Operations`, it sees every step.
public final class InputMaxima {
    /// By layer and site.
    public private(set) var layers: [[SmoothingSite: [Float]]]

    /// Keeps the layers alive whose identities count.
    private let model: DecoderModel
    private let places: [ObjectIdentifier: (layer: Int, site: SmoothingSite)]

    /// Prepares a measurement: all maxima are zero.
    public init(_ model: DecoderModel) {
        self.model = model
        var places: [ObjectIdentifier: (layer: Int, site: SmoothingSite)] = [:]
        layers = model.layers.enumerated().map { index, layer in
            var maxima: [SmoothingSite: [Float]] = [:]
            let inputs: KeyValuePairs = [
                SmoothingSite.attention: layer.attention.projections, .attentionOutput: layer.attention.output,
                .feedForward: layer.feedForward.inputLayer, .down: layer.feedForward.down,
            ]
            for (site, linear) in inputs {
                places[ObjectIdentifier(linear)] = (index, site)
                maxima[site] = [Float](repeating: 0, count: linear.columns)
            }
            return maxima
        }
        self.places = places
    }

    /// Whether all values that were seen are numbers.
    public var isFinite: Bool { layers.allSatisfy { $0.values.allSatisfy { $0.allSatisfy(\.isFinite) } } }

    func note(_ input: FloatMatrix, of layer: LinearLayer) {
        guard let place = places[ObjectIdentifier(layer)] else { return }
        layers[place.layer][place.site]?.withUnsafeMutableBufferPointer { maxima in
            for row in 0..<input.rows {
                let values = input.row(row)
                for column in 0..<input.columns {
                    let magnitude = values[column].isNaN ? .infinity : abs(values[column])
                    maxima[column] = max(maxima[column], magnitude)
                }
            }
        }
    }
}

/// What becomes of the matrices of a model's layers when it is loaded; embedding and output head stay as they are.
public struct WeightConversion: Sendable, Hashable {
    /// How weights are rounded to 8 bits; nil if they become float32.
    let rounding: WeightRounding?
    /// What is done before; nil for nothing.
    let smoothing: Smoothing?

    /// 8-bit weights with a scale for each output channel; activations with one for each token, found when it runs.
    ///
    /// - Parameter smoothing: nil for none.
    public static func int8(_ smoothing: Smoothing?) -> WeightConversion {
        WeightConversion(rounding: .perRow, smoothing: smoothing)
    }

    /// 8-bit weights with one scale for each matrix, activations with one for all tokens, fixed by the calibration.
    ///
    /// Source: Xiao et al., "SmoothQuant" (arXiv:2211.10438), setting O3.
    public static func int8PerTensor(_ smoothing: Smoothing) -> WeightConversion {
        WeightConversion(rounding: .perTensor, smoothing: smoothing)
    }

    /// Smoothing alone, in float32: the same function as the file's.
    public static func float32(_ smoothing: Smoothing?) -> WeightConversion {
        WeightConversion(rounding: nil, smoothing: smoothing)
    }
}

/// What shares a scale when weights are rounded to 8 bits.
enum WeightRounding: Sendable, Hashable {
    /// The weights of an output channel; activations by token.
    case perRow
    /// All weights of a matrix; activations by site.
    case perTensor
}

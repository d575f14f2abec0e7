public import KvasirEngine
public import KvasirModels

/// Measures the largest magnitude in every channel of the inputs of a model's linear layers.
///
/// Source: Xiao et al., "SmoothQuant" (arXiv:2211.10438), section 4: a few hundred sentences settle them.
public struct SmoothQuantMeasurement {
    private let engine: InferenceEngine
    private let maxima: InputMaxima
    /// Tokens that were run.
    public internal(set) var tokens = 0

    /// The cache an engine should have for the measurement.
    public static let cache = "f32"

    /// Prepares a measurement of all that the engine runs from now on.
    ///
    /// - Parameter engine: the model with the file's weights.
    public init(engine: InferenceEngine) {
        precondition(engine.model.weights == .file, "ranges are measured before any rounding")
        self.engine = engine
        maxima = InputMaxima(engine.model.decoder)
        engine.inputMaxima = maxima
    }

    /// Runs a sequence of tokens.
    ///
    /// - Throws: whatever the engine throws, for tokens that are none of the model's or too many.
    public mutating func add(_ tokens: [Int32]) throws {
        guard !tokens.isEmpty else { return }
        try engine.prefill(tokens[...], into: engine.makeSequence())
        self.tokens += tokens.count
    }

    /// The result.
    ///
    /// - Parameters:
    ///   - source: what was run, in words.
    ///   - alpha: how much of the range goes into the weights, 0 to 1.
    ///   - sites: which inputs are smoothed.
    /// - Throws: `CalibrationError` if too little was run, or activations were not finite; `WeightError` if the model's file
    ///   has changed.
    public func calibration(
        source: String, alpha: Float = 0.5, sites: Set<SmoothingSite> = Smoothing.usualSites
    ) throws -> SmoothQuantCalibration {
        guard tokens >= 256 else {
            throw CalibrationError(
                .impossible, received: "\(tokens) tokens", remedy: "ranges want 256 at least; give a longer text")
        }
        guard maxima.isFinite else {
            throw CalibrationError(
                .impossible, received: "activations that are not numbers",
                remedy: "the model overflows on this text; use another text or another file of the model")
        }
        return SmoothQuantCalibration(
            origin: try engine.model.calibrationOrigin(source: source, tokens: tokens),
            smoothing: Smoothing(maxima: maxima.layers, alpha: alpha, sites: sites))
    }
}

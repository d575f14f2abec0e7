internal import Foundation
internal import KvasirCache
internal import KvasirCodecs
public import KvasirEngine
internal import KvasirModels

/// Measures the mean keys of a model before rotary embedding.
///
/// Tokens run through the model with a float32 cache; the keys are read back, turned back by their positions, and averaged
/// in double precision. The first token of a sequence does not count: its key is unlike the others, and nothing is taken
/// away from it (see `RotaryPages`).
public struct CenterMeasurement {
    private let engine: InferenceEngine
    private var sums: [[Double]]
    /// Tokens that counted, by layer.
    private var counts: [Int]

    /// The cache an engine must have for the measurement.
    public static let cache = "f32"

    /// Prepares a measurement.
    ///
    /// - Parameter engine: the model, with a cache of `CenterMeasurement.cache`.
    /// - Throws: `CalibrationError` if the model does not turn its keys by their position.
    public init(engine: InferenceEngine) throws(CalibrationError) {
        precondition(engine.plan.configuration.description == Self.cache, "keys are measured before any codec")
        let info = engine.model.decoder.info
        guard info.rotary.count == info.cacheShape.layers else {
            throw CalibrationError(
                .impossible, received: "a model of the \(info.architecture) family",
                remedy: "its keys are not turned by rotary embedding, which centering needs; use '/rot' alone")
        }
        self.engine = engine
        sums = [[Double]](
            repeating: [Double](repeating: 0, count: info.cacheShape.heads.width), count: info.cacheShape.layers)
        counts = [Int](repeating: 0, count: info.cacheShape.layers)
    }

    /// Tokens that counted so far, in the layer with the fewest.
    public var tokens: Int { counts.min() ?? 0 }

    /// Runs a sequence of tokens and adds its keys.
    ///
    /// - Throws: whatever the engine throws, for tokens that are none of the model's or too many.
    public mutating func add(_ tokens: [Int32]) throws {
        guard tokens.count > 1 else { return }
        let sequence = engine.makeSequence()
        try engine.prefill(tokens[...], into: sequence)
        add(sequence)
    }

    /// Adds the keys of a sequence that was run already.
    mutating func add(_ sequence: CacheSequence) {
        let info = engine.model.decoder.info
        let shape = info.cacheShape.heads
        var keys: [Float] = []
        var values: [Float] = []
        for layer in sums.indices {
            let rotary = info.rotary[layer]
            // Layers with a sliding window hold the last tokens only.
            let tokens = sequence.heldTokens(layer: layer).clamped(to: 1..<sequence.count)
            sequence.decode(layer: layer, tokens: tokens, keys: &keys, values: &values)
            counts[layer] += tokens.count
            for (row, position) in tokens.enumerated() {
                for pair in 0..<shape.headSize / 2 {
                    let angle = rotary.frequency(ofPair: pair) * Double(position)
                    let (cosine, sine) = (cos(angle), sin(angle))
                    let (first, second) = rotary.channels(ofPair: pair)
                    for head in stride(from: 0, to: shape.width, by: shape.headSize) {
                        let x = Double(keys[row * shape.width + head + first])
                        let y = Double(keys[row * shape.width + head + second])
                        sums[layer][head + first] += x * cosine + y * sine
                        sums[layer][head + second] += y * cosine - x * sine
                    }
                }
            }
        }
    }

    /// The result.
    ///
    /// - Parameter source: what was run, in words.
    /// - Throws: `CalibrationError` if too little was run, or keys were not finite; `WeightError` if the model's file has
    ///   changed.
    public func calibration(source: String) throws -> CenterCalibration {
        guard tokens >= 256 else {
            throw CalibrationError(
                .impossible, received: "\(tokens) tokens", remedy: "a mean wants 256 at least; give a longer text")
        }
        let means = zip(sums, counts).map { layer, count in layer.map { Float($0 / Double(count)) } }
        guard means.allSatisfy({ $0.allSatisfy(\.isFinite) }) else {
            throw CalibrationError(
                .impossible, received: "keys that are not numbers",
                remedy: "the model overflows on this text; use another text or another file of the model")
        }
        return CenterCalibration(
            origin: try engine.model.calibrationOrigin(source: source, tokens: tokens), means: means)
    }
}

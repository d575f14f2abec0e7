public import KvasirCache
internal import KvasirCodecs
public import KvasirEngine
internal import KvasirModels
public import KvasirNumerics

/// How much neighbouring channels of keys and values say about each other: their joint entropy beside the sum of their own.
///
/// The difference is what a code for several channels can save over codes for each of them; it is why coupled quantization
/// works. Every channel is cut into bins of one width between its least and its greatest value, and entropies are those of
/// the observed frequencies.
///
/// Source: Zhang et al., "KV Cache is 1 Bit Per Channel: Efficient Large Language Model Inference with Coupled
/// Quantization" (arXiv:2405.03917), section 3.1.
public struct EntropyEvaluation: Sendable {
    /// Tokens of a window of the text.
    public let context: Int
    /// Windows; all that the text fills if nil.
    public let windows: Int?
    /// Bins of a channel.
    public let bins: Int
    /// The layers; all if nil.
    public let layers: LayerList?

    /// Channels that are taken together, at most.
    public static let channels = 4
    /// How many bins a channel may have: four codes then fit 16 bits.
    public static let binRange = 2...16
    /// The first tokens of a window that are not counted: their keys lie far from all others and would stretch the bins.
    static let skipped = 1
    /// Bytes of keys and values that are held at a time; the text is run once for every so many layers.
    private static let budget = 1 << 30

    /// Creates an evaluation.
    ///
    /// - Throws: `EvaluationError` if a window has fewer than 4 tokens, the number of windows is not positive, or the bins are
    ///   out of range.
    public init(
        context: Int, windows: Int? = 16, bins: Int = 16, layers: LayerList? = nil
    ) throws(EvaluationError) {
        try ScoredWindows.check(context: context, count: windows)
        guard Self.binRange.contains(bins) else {
            throw EvaluationError(
                received: "\(bins) bins", remedy: "use \(Self.binRange.lowerBound) to \(Self.binRange.upperBound)")
        }
        self.context = context
        self.windows = windows
        self.bins = bins
        self.layers = layers
    }

    /// Measures the keys and values of a text, computed in float32.
    ///
    /// - Parameters:
    ///   - text: the bytes of the text, as they are.
    ///   - engine: the model.
    ///   - instructionSet: the kernels.
    ///   - run: keeps the layers that are done.
    /// - Returns: rows by layer and form.
    /// - Throws: `EvaluationError` if a window exceeds the engine's context, the text does not fill the windows, heads have
    ///   fewer than four channels, or a key or value is not finite; `CacheError` if the model has no such layer or there is
    ///   no memory; `EvaluationCancelled`.
    public func run(
        text: [UInt8], engine: InferenceEngine, instructionSet: InstructionSet, run: EvaluationRun = EvaluationRun()
    ) throws -> [EntropyRow] {
        let info = engine.model.decoder.info
        let shape = info.cacheShape
        guard shape.heads.headSize >= Self.channels else {
            throw EvaluationError(
                received: "heads of \(shape.heads.headSize) channels",
                remedy: "\(Self.channels) neighbours are measured; use another model")
        }
        let pieces = try ScoredWindows(text, context: context, count: windows, engine: engine)
        let indices = try layers?.indices(layers: shape.layers) ?? Array(0..<shape.layers)
        let values = pieces.count * context * shape.heads.width * EntropyForm.allCases.count
        let layerBytes = values * MemoryLayout<Float>.stride
        let step = max(Self.budget / layerBytes, 1)
        let pass = try GradientPass(
            engine.model.decoder, instructionSet: instructionSet, threads: engine.threads)
        let groups = stride(from: 0, to: indices.count, by: step).map {
            Array(indices[$0..<min($0 + step, indices.count)])
        }
        run.begin(units: groups.count)
        var rows: [EntropyRow] = []
        for group in groups {
            let layers = group.map(String.init).joined(separator: ",")
            rows += try run.unit("layers \(layers)") {
                let observer = EntropyObserver(
                    layers: group, shape: shape.heads, rotary: info.rotary, bins: bins, threads: engine.threads)
                for window in 0..<pieces.count {
                    try run.checkCancellation()
                    try observer.add(pieces[window].tokens, pass)
                }
                return observer.rows()
            }
        }
        return rows
    }
}

public import KvasirCache
internal import KvasirCodecs
public import KvasirEngine
internal import KvasirNumerics

/// Whether keys and values look normal, block by block: what a codec with normal quantiles relies on.
///
/// The test of D'Agostino and Pearson is made on every block, and the share that it rejects is reported: single blocks say
/// nothing, because of normal ones, too, some are rejected. Besides stand the mean shape of the blocks and the points of
/// their quantile-quantile plot.
///
/// Keys are seen as the cache stores them, after the rotary embedding; rotated ones are those that a codec with `/rot`
/// stores.
///
/// Source: the method of "NQKV: A KV Cache Quantization Scheme Based on Normal Distribution Characteristics"
/// (Cai, Zhang, Tan, Wei; arXiv, 2025), figures 3 and 4 and table 1, for all tokens in place of one.
public struct NormalityEvaluation: Sendable {
    /// In which basis blocks are tested.
    public enum Basis: String, Sendable, Hashable, CaseIterable {
        /// As the model computes them.
        case plain
        /// After the rotation of each head.
        case rotated
        /// In both, for comparison.
        case both

        var rotations: [Bool] {
            switch self {
            case .plain: [false]
            case .rotated: [true]
            case .both: [false, true]
            }
        }
    }

    /// Tokens of a window of the text.
    public let context: Int
    /// Windows; all that the text fills if nil.
    public let windows: Int?
    /// What is tested as one sample.
    public let units: [NormalityUnit]
    /// The layers; all if nil.
    public let layers: LayerList?
    /// The basis.
    public let basis: Basis

    /// Points of a quantile-quantile plot.
    public static let plotPoints = 40

    /// Creates an evaluation.
    ///
    /// - Throws: `EvaluationError` if a window has fewer than 4 tokens, the number of windows is not positive, or there are
    ///   no units.
    public init(
        context: Int, windows: Int? = 1, units: [NormalityUnit] = [.token], layers: LayerList? = nil,
        basis: Basis = .both
    ) throws(EvaluationError) {
        try ScoredWindows.check(context: context, count: windows)
        guard !units.isEmpty else {
            throw EvaluationError(received: "no units", remedy: "name at least one: token, or the size of a block")
        }
        self.context = context
        self.windows = windows
        self.units = units
        self.layers = layers
        self.basis = basis
    }

    /// Tests the keys and values of a text.
    ///
    /// - Parameters:
    ///   - text: the bytes of the text, as they are.
    ///   - engine: the model with the cache to look at: `f32` for keys and values as they are computed.
    ///   - run: keeps the windows that are done.
    /// - Returns: rows by layer, unit, part and basis.
    /// - Throws: `EvaluationError` if a window exceeds the engine's context, the text does not fill the windows, or the heads
    ///   cannot be rotated; `CacheError` if the model has no such layer; `EvaluationCancelled`; what the engine throws.
    public func run(
        text: [UInt8], engine: InferenceEngine, run: EvaluationRun = EvaluationRun()
    ) throws -> [NormalityRow] {
        let observer = try observer(of: engine)
        let pieces = try ScoredWindows(text, context: context, count: windows, engine: engine)
        var sums: [NormalityRow] = []
        run.begin(units: pieces.count)
        for window in 0..<pieces.count {
            NormalityRow.add(
                try run.unit("window \(window)") { try observer.rows(of: pieces[window].tokens) }, to: &sums)
        }
        return sums
    }

    private func observer(of engine: InferenceEngine) throws -> NormalityObserver {
        let indices =
            try layers?.indices(layers: engine.plan.layers.count) ?? Array(engine.plan.layers.indices)
        var rotations: [Int: HeadRotation] = [:]
        if basis.rotations.contains(true) {
            for layer in indices {
                do {
                    rotations[layer] = try HeadRotation(
                        shape: engine.plan.layers[layer].keys.shape, instructionSet: .best)
                } catch {
                    throw EvaluationError(
                        received: error.received,
                        remedy: "it takes heads of a multiple of \(HeadRotation.smallestBlock) channels; "
                            + "test the plain basis alone")
                }
            }
        }
        return NormalityObserver(
            engine: engine, layers: indices, units: units, bases: basis.rotations, rotations: rotations)
    }
}

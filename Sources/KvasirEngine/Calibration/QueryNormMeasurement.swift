internal import KvasirCache
internal import KvasirModels
internal import KvasirNumerics
internal import KvasirTokenizers

/// Measures how long the queries of a model are.
public struct QueryNormMeasurement {
    private let engine: InferenceEngine
    private let norms: QueryNorms

    /// The cache an engine should have for the measurement.
    public static let cache = "f32"

    /// Prepares a measurement of all that the engine runs from now on.
    public init(engine: InferenceEngine) {
        self.engine = engine
        norms = QueryNorms(engine.model.decoder.info)
        engine.queryNorms = norms
    }

    /// Tokens that were run.
    public var tokens: Int { norms.tokens }

    /// Runs a sequence of tokens.
    ///
    /// - Throws: whatever the engine throws, for tokens that are none of the model's or too many.
    public func add(_ tokens: [Int32]) throws {
        guard !tokens.isEmpty else { return }
        try engine.prefill(tokens[...], into: engine.makeSequence())
    }

    /// The result.
    ///
    /// - Parameter source: what was run, in words.
    /// - Throws: `CalibrationError` if too little was run, or queries were not finite; `WeightError` if the model's file has
    ///   changed.
    public func calibration(source: String) throws -> QueryNormCalibration {
        guard tokens >= 256 else {
            throw CalibrationError(
                .impossible, received: "\(tokens) tokens",
                remedy: "a percentile wants 256 at least; give a longer text")
        }
        return QueryNormCalibration(
            origin: try engine.model.calibrationOrigin(source: source, tokens: tokens), norms: try finite())
    }

    private func finite() throws(CalibrationError) -> [[Float]] {
        let percentiles = norms.percentiles
        guard percentiles.allSatisfy({ $0.allSatisfy(\.isFinite) }) else {
            throw CalibrationError(
                .impossible, received: "queries that are not numbers",
                remedy: "the model overflows on this text; use another text or another file of the model")
        }
        return percentiles
    }

    /// What a model is measured on where there is no calibration file: some sentences of plain prose.
    ///
    /// - Throws: as `add` and `calibration`.
    static func short(
        of model: LanguageModel, threads: ThreadPool, instructionSet: InstructionSet
    ) throws -> [[Float]] {
        let engine = try InferenceEngine(
            model: model, cache: CacheConfiguration(parsing: cache), threads: threads, instructionSet: instructionSet)
        let measurement = QueryNormMeasurement(engine: engine)
        let tokens = model.tokenizer.encode(Array(prose.utf8), addSpecial: true, parseSpecial: false)
        try measurement.add(Array(tokens.prefix(engine.contextLength)))
        return try measurement.finite()
    }

    /// Written for this purpose.
    private static let prose = """
        The harbour lies at the mouth of a narrow river, and for most of the year it is quiet. In spring the boats are \
        pulled up on the gravel, scraped, painted and put back into the water; by the first week of May, eleven of them go \
        out every morning. "You learn the weather before you learn to read," said the oldest of the captains, who has \
        fished here since 1961. The catch is weighed, packed in ice and sold before noon.

        A recipe for flat bread: mix 500 grams of flour, 300 millilitres of water, a spoon of salt and a little oil. Let \
        it rest for half an hour, divide it into eight pieces, and bake each for two minutes on a very hot stone.

        How does a lock work? Two gates close off a chamber. When a boat has entered, the lower gate shuts, water flows in \
        from above until both levels are equal, and the upper gate opens. No pump is needed: the river does the lifting.

        def mean(values):
            total = 0.0
            for value in values:
                total += value
            return total / len(values)

        In 1854 a physician marked on a map of London every house in which someone had died of cholera. The marks \
        crowded around one pump in Broad Street; when its handle was taken off, the outbreak ended. The map did not prove \
        how the disease spread, but it showed where to look.
        """
}

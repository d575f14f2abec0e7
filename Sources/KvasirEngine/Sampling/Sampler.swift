internal import KvasirNumerics

/// Chooses the next token of one sequence, as its `SamplingParameters` say.
///
/// Deterministic: the same seed, logits and history give the same tokens on every machine. After the first token it
/// allocates nothing. It is a value: a copy continues the same sequence of draws.
public struct Sampler: Sendable {
    /// How tokens are chosen.
    public let parameters: SamplingParameters
    /// The number of logits per token.
    public let vocabularySize: Int
    /// The seed in use: the one of the parameters, or the one chosen in its place.
    public let seed: UInt64

    private var generator: SeededGenerator
    // Each is as long as the vocabulary if the parameters call for it, and otherwise empty.
    private var tally: TokenTally
    private var adjusted: [Float]
    private var weights: [Float]
    private var ranking = LogitRanking()

    /// Creates a sampler for a model with `vocabularySize` logits.
    ///
    /// - Throws: `SamplingError` if `logitBias` names a token outside the vocabulary.
    public init(_ parameters: SamplingParameters, vocabularySize: Int) throws(SamplingError) {
        try parameters.biasStep.validate(vocabularySize: vocabularySize)
        self.parameters = parameters
        self.vocabularySize = vocabularySize
        var system = SystemRandomNumberGenerator()
        seed = parameters.seed ?? system.next()
        generator = SeededGenerator(seed: seed)
        let adjustedCount = parameters.adjustsLogits ? vocabularySize : 0
        tally = TokenTally(vocabularySize: adjustedCount)
        adjusted = [Float](repeating: 0, count: adjustedCount)
        weights = [Float](repeating: 0, count: parameters.isGreedy ? 0 : vocabularySize)
    }

    /// Returns the next token.
    ///
    /// - Parameters:
    ///   - logits: The model's output, (vocabularySize); it is read, never changed.
    ///   - history: The ids of the prompt and of the tokens generated so far; only the penalties look at it.
    ///   - promptCount: How many of them are the prompt.
    /// - Returns: An id in `0 ..< vocabularySize` whose logit is neither NaN nor minus infinity.
    /// - Throws: `SamplingError` with the reason `noCandidate` if there is no such id.
    /// - Complexity: O(vocabulary + penalty window).
    public mutating func next(
        logits: Span<Float>, history: Span<Int32>, promptCount: Int
    ) throws(SamplingError) -> Int32 {
        precondition(logits.count == vocabularySize, "one logit per token of the vocabulary")
        precondition((0...history.count).contains(promptCount), "the prompt is a part of the history")
        return try logits.withUnsafeBufferPointer { (logits) throws(SamplingError) in
            try history.withUnsafeBufferPointer { (history) throws(SamplingError) in
                guard parameters.adjustsLogits else { return try choose(from: logits) }
                adjust(logits, history: history, promptCount: promptCount)
                // Taken out for the call, and put back, so that reading it does not overlap with changing `self`.
                var adjusted: [Float] = []
                swap(&adjusted, &self.adjusted)
                defer { swap(&adjusted, &self.adjusted) }
                return try adjusted.withUnsafeBufferPointer { (logits) throws(SamplingError) in
                    try choose(from: logits)
                }
            }
        }
    }

    /// Writes the logits with bias and penalties to `adjusted`.
    private mutating func adjust(
        _ logits: UnsafeBufferPointer<Float>, history: UnsafeBufferPointer<Int32>, promptCount: Int
    ) {
        let parameters = parameters
        adjusted.withUnsafeMutableBufferPointer { adjusted in
            _ = adjusted.update(fromContentsOf: logits)
            parameters.biasStep.apply(to: adjusted)
            parameters.repetitionStep.apply(
                to: adjusted, window: parameters.window.tokens(of: history), tally: &tally)
            parameters.frequencyAndPresenceStep.apply(
                to: adjusted, generated: parameters.window.generatedTokens(of: history, promptCount: promptCount),
                tally: &tally)
        }
    }

    private mutating func choose(from logits: UnsafeBufferPointer<Float>) throws(SamplingError) -> Int32 {
        guard let best = GreedyChoice(logits) else { throw .noCandidate(in: logits) }
        guard !parameters.isGreedy else { return Int32(best.id) }
        let parameters = parameters
        let unit = generator.nextUnit()
        let chosen = weights.withUnsafeMutableBufferPointer { weights in
            Self.weigh(logits, maximum: best.logit, parameters, weights: weights, ranking: &ranking)
            return WeightSums.draw(unit, from: UnsafeBufferPointer(weights))
        }
        return Int32(chosen)
    }

    /// Writes the unnormalised probabilities the token is drawn from.
    private static func weigh(
        _ logits: UnsafeBufferPointer<Float>, maximum: Float, _ parameters: SamplingParameters,
        weights: UnsafeMutableBufferPointer<Float>, ranking: inout LogitRanking
    ) {
        parameters.temperatureStep.writeWeights(of: logits, maximum: maximum, to: weights)
        parameters.topKStep.apply(to: weights, logits: logits, maximum: maximum, ranking: &ranking)
        parameters.topPStep.apply(
            to: weights, logits: logits, maximum: maximum, temperature: parameters.temperature, ranking: &ranking)
        parameters.minPStep.apply(to: weights)
    }

    /// Returns the distribution `next` would draw from, without drawing; all of it on one token if greedy.
    ///
    /// - Parameters:
    ///   - logits: The model's output, (vocabularySize).
    ///   - history: The ids of the prompt and of the tokens generated so far.
    ///   - promptCount: How many of them are the prompt.
    /// - Returns: Probabilities, (vocabularySize), that add up to 1.
    /// - Throws: `SamplingError` with the reason `noCandidate` if every logit is NaN or minus infinity.
    public func probabilities(
        logits: Span<Float>, history: Span<Int32>, promptCount: Int
    ) throws(SamplingError) -> [Float] {
        var copy = self
        let chosen = try copy.next(logits: logits, history: history, promptCount: promptCount)
        guard !parameters.isGreedy else {
            return (0..<vocabularySize).map { $0 == Int(chosen) ? 1 : 0 }
        }
        let total = copy.weights.withUnsafeBufferPointer { WeightSums.total($0) }
        return copy.weights.map { Float(Double($0) / total) }
    }
}

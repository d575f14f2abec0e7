internal import KvasirCache
public import KvasirEngine
internal import KvasirTokenizers

/// Long greedy texts with several caches beside those of a reference cache.
///
/// Three figures. The first token that differs says how long a text is the same; a single close decision ends that, so it
/// says little about quality. The divergence by position is measured over the reference's text, so that positions compare,
/// and shows whether errors add up along the text. The share of repeated n-grams of every cache's own text shows loops.
///
/// Tokens that would end the text are never chosen, so that all texts are equally long.
public struct GenerationComparison: Sendable, Hashable {
    /// Tokens to generate after every prompt.
    public let tokens: Int

    /// Tokens of the n-grams whose repetition is counted.
    public static let gram = 4

    /// Creates a comparison.
    ///
    /// - Throws: `EvaluationError` if a text has no n-gram.
    public init(tokens: Int) throws(EvaluationError) {
        guard tokens >= Self.gram else {
            throw EvaluationError(
                received: "\(tokens) tokens to generate",
                remedy: "generate at least \(Self.gram), so that there is something to repeat")
        }
        self.tokens = tokens
    }

    /// Compares engines after prompts.
    ///
    /// - Parameters:
    ///   - prompts: tokens of each, at least one.
    ///   - reference: the engine whose texts are taken for the right ones.
    ///   - subjects: engines of the same model with other caches.
    ///   - exact: for exact prompts, the same model with an f32 cache; nil where the prompt's attention reads the cache.
    ///   - run: keeps the prompts that are done.
    /// - Throws: `EvaluationError` if there are no prompts, or a prompt and its text exceed a context;
    ///   `EvaluationCancelled`; whatever an engine throws.
    public func run(
        prompts: [[Int32]], reference: InferenceEngine, subjects: [InferenceEngine], exact: InferenceEngine? = nil,
        run: EvaluationRun = EvaluationRun()
    ) throws -> [PromptComparison] {
        guard !prompts.isEmpty else {
            throw EvaluationError(received: "no prompts", remedy: "give at least one")
        }
        for prompt in prompts {
            for engine in [reference] + subjects { try check(prompt, engine) }
        }
        run.begin(units: prompts.count)
        return try prompts.enumerated().map { index, prompt in
            try run.unit("prompt \(index)") {
                try compare(prompt: prompt, reference: reference, subjects: subjects, exact: exact)
            }
        }
    }

    private func check(_ prompt: [Int32], _ engine: InferenceEngine) throws(EvaluationError) {
        guard prompt.count <= engine.contextLength - tokens else {
            throw EvaluationError(
                received: "a prompt of \(prompt.count) tokens and \(tokens) to generate",
                remedy: "the engine's context holds \(engine.contextLength); use shorter prompts or texts")
        }
    }

    /// Compares engines after one prompt.
    ///
    /// - Parameters:
    ///   - prompt: tokens, at least one.
    ///   - reference: the engine whose text is taken for the right one.
    ///   - subjects: engines of the same model with other caches.
    ///   - exact: as of `run`.
    /// - Throws: `EvaluationError` if prompt and text exceed a context; whatever an engine throws.
    public func compare(
        prompt: [Int32], reference: InferenceEngine, subjects: [InferenceEngine], exact: InferenceEngine? = nil
    ) throws -> PromptComparison {
        for engine in [reference] + subjects { try check(prompt, engine) }
        let expected = try generate(prompt, reference, exact)
        var results: [PromptComparison.Subject] = []
        for engine in subjects {
            let text = try generate(prompt, engine, exact)
            results.append(
                .init(
                    tokens: text, firstDifference: zip(text, expected).enumerated().first { $1.0 != $1.1 }?.offset,
                    repetition: Repetition.share(of: text, n: Self.gram)))
        }
        // Side by side through the reference's text: what each expects at every token of it.
        let window = ScoredWindow(
            tokens: prompt + expected, scored: prompt.count - 1..<prompt.count + tokens - 1, weight: tokens)
        let engines = ([reference] + subjects).map {
            EngineRows($0, exact: exact, rows: DivergenceEvaluation.rowsAtATime)
        }
        for (index, comparison) in try DivergenceEvaluation.compare(window, engines).subjects.enumerated() {
            results[index].divergences = comparison.divergences
            results[index].sameTop = comparison.sameTop.count { $0 }
            results[index].bits = comparison.score.bits
        }
        return PromptComparison(
            promptTokens: prompt.count, tokens: expected, repetition: Repetition.share(of: expected, n: Self.gram),
            subjects: results)
    }

    /// The greedy text after a prompt.
    private func generate(
        _ prompt: [Int32], _ engine: InferenceEngine, _ exact: InferenceEngine?
    ) throws -> [Int32] {
        let reader = PromptReader(engine, exact: exact)
        try reader.read(prompt)
        return try reader.greedy(tokens, excluding: engine.model.tokenizer.endOfGenerationIDs)
    }
}

/// The texts after one prompt.
public struct PromptComparison: Sendable, Hashable, Codable {
    /// The text of one cache.
    public struct Subject: Sendable, Hashable, Codable {
        /// The text's tokens.
        public let tokens: [Int32]
        /// The first token that is not the reference's, from 0 on; nil if the texts are the same.
        public let firstDifference: Int?
        /// The share of the text's n-grams that occurred before in it.
        public let repetition: Double
        /// The Kullback-Leibler divergence from the reference at every token of the reference's text, in nats.
        public internal(set) var divergences: [Double] = []
        /// Tokens of the reference's text where the most probable token is the reference's.
        public internal(set) var sameTop = 0
        /// Where bits follow attention, those that the reference's text has at its end.
        public internal(set) var bits: MeasuredBits?

        init(tokens: [Int32], firstDifference: Int?, repetition: Double) {
            self.tokens = tokens
            self.firstDifference = firstDifference
            self.repetition = repetition
        }
    }

    /// Tokens of the prompt.
    public let promptTokens: Int
    /// The tokens of the reference's text.
    public let tokens: [Int32]
    /// The share of its n-grams that occurred before in it.
    public let repetition: Double
    /// The other caches, in order.
    public let subjects: [Subject]
}

/// What one cache's texts after all prompts have in common with the reference's.
public struct GenerationSummary: Sendable, Hashable {
    /// Prompts.
    public let prompts: Int
    /// Texts that are the reference's, token by token.
    public let identical: Int
    /// The first token that differs in the median text; the text's length stands for one that does not differ.
    public let medianFirstDifference: Int
    /// The mean divergence at every token of the reference's texts, over the prompts, in nats.
    public let divergenceByPosition: [Double]
    /// The share of the tokens of the reference's texts where the most probable token is the reference's.
    public let sameTopShare: Double
    /// The mean share of repeated n-grams.
    public let repetition: Double
    /// The same of the reference's texts.
    public let referenceRepetition: Double

    /// Sums up one cache.
    ///
    /// - Precondition: there is a prompt, and the texts are equally long.
    public init(_ comparisons: [PromptComparison], subject: Int) {
        precondition(!comparisons.isEmpty, "nothing to sum up")
        let subjects = comparisons.map { $0.subjects[subject] }
        let length = comparisons[0].tokens.count
        let count = Double(comparisons.count)
        prompts = comparisons.count
        identical = subjects.count { $0.firstDifference == nil }
        medianFirstDifference = subjects.map { $0.firstDifference ?? length }.sorted()[(subjects.count - 1) / 2]
        divergenceByPosition = (0..<length).map { position in
            subjects.reduce(0) { $0 + $1.divergences[position] } / count
        }
        sameTopShare = Double(subjects.reduce(0) { $0 + $1.sameTop }) / (count * Double(length))
        repetition = subjects.reduce(0) { $0 + $1.repetition } / count
        referenceRepetition = comparisons.reduce(0) { $0 + $1.repetition } / count
    }

    /// The mean divergence over a part of the text, in nats.
    public func meanDivergence(_ positions: Range<Int>) -> Double {
        let part = divergenceByPosition[positions.clamped(to: divergenceByPosition.indices)]
        return part.isEmpty ? .nan : part.reduce(0, +) / Double(part.count)
    }

    /// The mean divergence over the whole text, in nats.
    public var meanDivergence: Double { meanDivergence(divergenceByPosition.indices) }
}

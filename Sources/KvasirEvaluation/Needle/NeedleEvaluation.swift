public import KvasirEngine

/// Whether a model finds a number again that was hidden in a long text, by the text's length and the number's depth in it.
///
/// Two figures for each place. The greedy answer is right if its first number is the hidden one. Small models often fail to
/// answer although they know: so the hidden number is also ranked by its likelihood among others of as many digits.
/// Every cache is asked the same questions.
public struct NeedleEvaluation: Sendable, Hashable {
    /// The most tokens of a prompt and its answer.
    public let lengths: [Int]
    /// Where the number asked for stands in the text: 0 for its start, 100 for its end.
    public let depths: [Int]
    /// Texts for every length; each is used at all depths.
    public let trials: Int
    /// What is hidden.
    public let mode: NeedleMode
    /// The number asked for and those that it is ranked among.
    public let candidates: Int
    /// What texts, numbers and names are drawn from.
    public let seed: UInt64
    /// The text around.
    public let haystack: Haystack
    /// Whether the prompt is written with the model's chat template.
    public let usesChatTemplate: Bool

    /// Digits of a number.
    static let digits = 5
    /// Tokens of an answer beyond those of the number.
    static let answerSlack = 6
    /// The most texts of a length.
    public static let mostTrials = 10_000
    /// The shortest prompt with something around a number.
    public static let shortest = 128

    /// Creates an evaluation.
    ///
    /// - Throws: `EvaluationError` if a list is empty, or a number is out of its range.
    public init(
        lengths: [Int], depths: [Int], trials: Int, mode: NeedleMode = .single, candidates: Int = 10, seed: UInt64 = 0,
        haystack: Haystack = .generated, usesChatTemplate: Bool = false
    ) throws(EvaluationError) {
        func check(_ condition: Bool, _ received: String, _ remedy: String) throws(EvaluationError) {
            if !condition { throw EvaluationError(received: received, remedy: remedy) }
        }
        try check(!lengths.isEmpty, "no lengths", "give at least one, as in 512,1024")
        try check(!depths.isEmpty, "no depths", "give at least one, as in 0,50,100")
        for length in lengths {
            try check(length >= Self.shortest, "length of \(length) tokens", "use at least \(Self.shortest)")
        }
        for depth in depths { try check(0...100 ~= depth, "depth \(depth)", "depths are 0 to 100, in per cent") }
        try check(Set(lengths).count == lengths.count, "a length twice", "give every length once")
        try check(Set(depths).count == depths.count, "a depth twice", "give every depth once")
        try check(1...Self.mostTrials ~= trials, "\(trials) trials", "make 1 to \(Self.mostTrials)")
        if case .multi(let keys) = mode {
            try check(
                2...NeedleMode.mostKeys ~= keys, "\(keys) keys",
                "hide 2 to \(NeedleMode.mostKeys), or use the single mode")
        }
        try check(
            max(2, mode.keys)...1000 ~= candidates, "\(candidates) candidates",
            "rank the number among at least \(max(2, mode.keys)), as many as are hidden, and at most 1000")
        self.lengths = lengths
        self.depths = depths
        self.trials = trials
        self.mode = mode
        self.candidates = candidates
        self.seed = seed
        self.haystack = haystack
        self.usesChatTemplate = usesChatTemplate
    }

    /// Asks several caches the same questions.
    ///
    /// - Parameters:
    ///   - engines: engines of one model that differ in their caches.
    ///   - exact: for exact prompts, the same model with an f32 cache; nil where the prompt's attention reads the cache.
    ///   - run: keeps the texts that are done, of every cache.
    /// - Returns: the answers of every engine, in the order of the engines.
    /// - Throws: `EvaluationError` if a length exceeds an engine's context, or as `trial`; `EvaluationCancelled`; whatever an
    ///   engine throws.
    public func run(
        engines: [InferenceEngine], exact: InferenceEngine? = nil, run: EvaluationRun = EvaluationRun()
    ) throws -> [[NeedleAnswer]] {
        let readers = engines.map { NeedleReader($0, exact: exact) }
        for reader in readers {
            for length in lengths { try reader.check(length: length) }
        }
        var answers = [[NeedleAnswer]](repeating: [], count: engines.count)
        run.begin(units: lengths.count * trials * engines.count)
        for length in lengths {
            for number in 0..<trials {
                // Of a run that goes on, most texts are never needed again.
                var trial: NeedleTrial?
                for (index, engine) in engines.enumerated() {
                    answers[index] += try run.unit("cache \(index), length \(length), trial \(number)") {
                        let known = try trial ?? self.trial(length: length, number: number, model: engine.model)
                        trial = known
                        return try readers[index].answers(to: known)
                    }
                }
            }
        }
        return answers
    }

    /// The prompts of one text of one length, at every depth.
    ///
    /// - Parameters:
    ///   - length: one of `lengths`.
    ///   - number: which trial, from 0 on.
    ///   - model: whose tokens and template are used.
    /// - Throws: `EvaluationError` if the length is too short for the numbers or the given text too short for the length;
    ///   `ChatTemplateError` if a template is asked for and the model has none.
    public func trial(length: Int, number: Int, model: LanguageModel) throws -> NeedleTrial {
        try NeedleTrial(self, length: length, number: number, model: model)
    }
}

public import KvasirEngine
internal import KvasirTokenizers

/// One engine that answers trials.
public final class NeedleReader {
    private let reader: PromptReader
    private let tokenizer: any Tokenizer
    private let contextLength: Int

    /// Creates a reader with nothing cached.
    ///
    /// - Parameters:
    ///   - engine: the model and its cache.
    ///   - exact: for exact prompts, the same model with an f32 cache; nil where the prompt's attention reads the cache.
    public init(_ engine: InferenceEngine, exact: InferenceEngine? = nil) {
        reader = PromptReader(engine, exact: exact)
        tokenizer = engine.model.tokenizer
        contextLength = engine.contextLength
    }

    func check(length: Int) throws(EvaluationError) {
        guard length <= contextLength else {
            throw EvaluationError(
                received: "length of \(length) tokens",
                remedy: "the engine's context holds \(contextLength); use shorter texts")
        }
    }

    /// Answers the prompts of a trial, one answer for each depth.
    ///
    /// - Throws: `EvaluationError` if the length exceeds the engine's context; what the engine throws.
    public func answers(to trial: NeedleTrial) throws -> [NeedleAnswer] {
        try check(length: trial.length)
        return try trial.prompts.map { prompt in
            try reader.read(prompt.tokens)
            let likelihoods = try trial.continuations.map { try reader.logLikelihood(of: $0) }
            let expected = trial.candidates[0]
            let tokens = try reader.greedy(
                trial.continuations[0].count + NeedleEvaluation.answerSlack,
                isFinished: { [tokenizer] tokens in
                    tokens.last.map { tokenizer.endOfGenerationIDs.contains($0) } == true
                        || NeedleAnswer.isDecided(tokenizer.decode(tokens))
                })
            return NeedleAnswer(
                length: trial.length, depth: prompt.depth, trial: trial.number, promptTokens: prompt.tokens.count,
                expected: expected, text: tokenizer.decode(tokens),
                rank: 1 + likelihoods.count { $0 > likelihoods[0] }, logLikelihood: likelihoods[0],
                bits: reader.bits)
        }
    }
}

/// What a model answered to one prompt.
public struct NeedleAnswer: Sendable, Hashable, Codable {
    /// The most tokens of prompt and answer.
    public let length: Int
    /// Where the number stands, in per cent.
    public let depth: Int
    /// Which trial, from 0 on.
    public let trial: Int
    /// Tokens of the prompt.
    public let promptTokens: Int
    /// The number asked for.
    public let expected: String
    /// The greedy continuation.
    public let text: String
    /// The place of the right number among the candidates by likelihood, from 1 on.
    public let rank: Int
    /// The logarithm of the probability of the right number, in nats.
    public let logLikelihood: Double
    /// Where bits follow attention: those of the tokens in the end.
    public internal(set) var bits: MeasuredBits?

    /// Whether the first number of the text is the one asked for.
    public var isExact: Bool { Self.firstNumber(in: text) == expected[...] }

    private static func firstNumber(in text: String) -> Substring? {
        guard let start = text.firstIndex(where: isDigit) else { return nil }
        return text[start...].prefix(while: isDigit)
    }

    /// Whether more text would change nothing: a number has ended.
    static func isDecided(_ text: String) -> Bool {
        guard let number = firstNumber(in: text) else { return false }
        return number.endIndex < text.endIndex
    }

    private static func isDigit(_ character: Character) -> Bool { ("0"..."9").contains(character) }
}

/// The answers of one cache at one length and depth.
public struct NeedleCell: Sendable, Hashable, Codable {
    /// The most tokens of prompt and answer.
    public let length: Int
    /// Where the number stands, in per cent.
    public let depth: Int
    /// Answers.
    public let trials: Int
    /// Answers whose first number is the right one.
    public let exact: Int
    /// Answers where no candidate is more likely than the right one.
    public let first: Int
    /// The mean place of the right number among the candidates.
    public let meanRank: Double
    /// The mean logarithm of its probability, in nats.
    public let meanLogLikelihood: Double

    private init(length: Int, depth: Int, answers: [NeedleAnswer]) {
        self.length = length
        self.depth = depth
        trials = answers.count
        exact = answers.count(where: \.isExact)
        first = answers.count { $0.rank == 1 }
        meanRank = Double(answers.reduce(0) { $0 + $1.rank }) / Double(answers.count)
        meanLogLikelihood = answers.reduce(0) { $0 + $1.logLikelihood } / Double(answers.count)
    }

    /// The cells of a grid, by length and then depth.
    public static func grid(of answers: [NeedleAnswer]) -> [NeedleCell] {
        struct Place: Hashable { let length, depth: Int }
        let groups = Dictionary(grouping: answers) { Place(length: $0.length, depth: $0.depth) }
        return groups.map { NeedleCell(length: $0.length, depth: $0.depth, answers: $1) }
            .sorted { ($0.length, $0.depth) < ($1.length, $1.depth) }
    }
}

public import KvasirCache

/// The results of kind `needle`.
public struct NeedleReport: Codable, Sendable, Hashable {
    /// What one cache gave.
    public struct Cache: Codable, Sendable, Hashable {
        /// The cache's configuration.
        public let cache: String
        /// Bits for each cached key value, every overhead counted.
        public let bitsPerValueK: Double
        /// Bits for each cached value, every overhead counted.
        public let bitsPerValueV: Double
        /// Where bits follow attention: those of the tokens after the answers.
        public let measuredBits: MeasuredBits?
        /// Questions.
        public let questions: Int
        /// The share of answers whose first number is the right one.
        public let exact: Double
        /// Its standard error.
        public let exactError: Double
        /// The share of questions where no candidate is more likely than the right one.
        public let first: Double
        /// Its standard error.
        public let firstError: Double
        /// The mean logarithm of the right number's probability, in nats.
        public let logLikelihood: Double
        /// By length and depth.
        public let grid: [NeedleCell]
        /// Every answer.
        public let answers: [NeedleAnswer]

        /// Creates the figures of a cache.
        ///
        /// - Precondition: there are answers.
        public init(_ answers: [NeedleAnswer], plan: CachePlan) {
            precondition(!answers.isEmpty, "no share of nothing")
            let count = Double(answers.count)
            func error(_ share: Double) -> Double { (share * (1 - share) / count).squareRoot() }
            cache = plan.configuration.description
            var bits: MeasuredBits?
            for answer in answers { bits.add(answer.bits) }
            bitsPerValueK = bits?.keys?.bitsPerValue ?? plan.bitsPerValueK
            bitsPerValueV = bits?.values?.bitsPerValue ?? plan.bitsPerValueV
            measuredBits = bits
            questions = answers.count
            exact = Double(answers.count(where: \.isExact)) / count
            exactError = error(exact)
            first = Double(answers.count { $0.rank == 1 }) / count
            firstError = error(first)
            logLikelihood = answers.reduce(0) { $0 + $1.logLikelihood } / count
            grid = NeedleCell.grid(of: answers)
            self.answers = answers
        }
    }

    /// The share of questions where chance alone would put the right number first.
    public let chance: Double
    /// What every cache gave.
    public let caches: [Cache]

    /// Creates a report of the answers of every plan's engine.
    public init(_ answers: [[NeedleAnswer]], plans: [CachePlan], candidates: Int) {
        chance = 1 / Double(candidates)
        caches = zip(answers, plans).map { Cache($0, plan: $1) }
    }
}

/// The settings of results of kind `needle`.
public struct NeedleSettings: Codable, Sendable, Hashable {
    /// `single` or `multi`.
    public let mode: String
    /// Numbers hidden in a prompt.
    public let keys: Int
    /// The most tokens of prompt and answer.
    public let lengths: [Int]
    /// Where the number asked for stands, in per cent.
    public let depths: [Int]
    /// Texts of every length.
    public let trials: Int
    /// Numbers among which the right one is ranked.
    public let candidates: Int
    /// What texts and numbers are drawn from.
    public let seed: UInt64
    /// The text's file name; missing where sentences were generated.
    public let text: String?
    /// SHA-256 of the text.
    public let textSHA256: String?
    /// Whether prompts were written with the model's chat template.
    public let chatTemplate: Bool
    /// How linear layers multiplied: `int8` or `float32`.
    public let linear: String
    /// What the prompt's own attention read: `cache` or `exact`.
    public let prefill: PrefillAttention

    /// Creates settings.
    public init(
        _ evaluation: NeedleEvaluation, text: String?, textSHA256: String?, linear: String, prefill: PrefillAttention
    ) {
        mode = evaluation.mode.description
        keys = evaluation.mode.keys
        lengths = evaluation.lengths
        depths = evaluation.depths
        trials = evaluation.trials
        candidates = evaluation.candidates
        seed = evaluation.seed
        self.text = text
        self.textSHA256 = textSHA256
        chatTemplate = evaluation.usesChatTemplate
        self.linear = linear
        self.prefill = prefill
    }
}

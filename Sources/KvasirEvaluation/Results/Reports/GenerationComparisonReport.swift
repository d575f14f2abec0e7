public import KvasirCache
public import KvasirTokenizers

/// The results of kind `generation`.
public struct GenerationComparisonReport: Codable, Sendable, Hashable {
    /// What one cache gave.
    public struct Cache: Codable, Sendable, Hashable {
        /// The cache's configuration.
        public let cache: String
        /// Bits for each cached key value, every overhead counted.
        public let bitsPerValueK: Double
        /// Bits for each cached value, every overhead counted.
        public let bitsPerValueV: Double
        /// More about the bits that follow attention, at the end of the reference's texts; absent where none do.
        public let measuredBits: MeasuredBits?
        /// Texts that are the reference's.
        public let identical: Int
        /// The first token of every text that is not the reference's, from 0 on; null for a text that is the same.
        public let firstDifferences: [Int?]
        /// The first differing token of the median text; the text's length stands for one that does not differ.
        public let medianFirstDifference: Int
        /// The mean divergence over the reference's texts, in nats.
        public let divergence: Double
        /// The same over the first quarter of the texts.
        public let divergenceFirstQuarter: Double
        /// The same over the last quarter.
        public let divergenceLastQuarter: Double
        /// The same at every token, over the prompts.
        public let divergenceByPosition: [Double]
        /// The share of the reference's tokens that the cache, too, expects most.
        public let sameTop: Double
        /// The mean share of repeated n-grams in the cache's own texts.
        public let repetition: Double
        /// The cache's own texts.
        public let texts: [String]
    }

    /// The cache whose texts are taken for the right ones.
    public let reference: String
    /// The mean share of repeated n-grams in the reference's texts.
    public let referenceRepetition: Double
    /// Tokens of every text.
    public let tokens: Int
    /// Tokens of the n-grams.
    public let gram: Int
    /// The prompts.
    public let prompts: [String]
    /// The reference's texts.
    public let referenceTexts: [String]
    /// What every cache gave.
    public let caches: [Cache]

    /// Creates a report.
    ///
    /// - Precondition: there is a prompt, and a comparison for each; every comparison has a subject for each plan.
    public init(
        _ comparisons: [PromptComparison], prompts: [[Int32]], reference: CacheConfiguration, plans: [CachePlan],
        tokenizer: any Tokenizer
    ) {
        let length = comparisons[0].tokens.count
        self.reference = reference.description
        referenceRepetition = comparisons.reduce(0) { $0 + $1.repetition } / Double(comparisons.count)
        tokens = length
        gram = GenerationComparison.gram
        self.prompts = prompts.map { tokenizer.decode($0) }
        referenceTexts = comparisons.map { tokenizer.decode($0.tokens) }
        caches = plans.enumerated().map { index, plan in
            let summary = GenerationSummary(comparisons, subject: index)
            let subjects = comparisons.map { $0.subjects[index] }
            var bits: MeasuredBits?
            for subject in subjects { bits.add(subject.bits) }
            return Cache(
                cache: plan.configuration.description,
                bitsPerValueK: bits?.keys?.bitsPerValue ?? plan.bitsPerValueK,
                bitsPerValueV: bits?.values?.bitsPerValue ?? plan.bitsPerValueV, measuredBits: bits,
                identical: summary.identical,
                firstDifferences: subjects.map(\.firstDifference),
                medianFirstDifference: summary.medianFirstDifference, divergence: summary.meanDivergence,
                divergenceFirstQuarter: summary.meanDivergence(0..<length / 4),
                divergenceLastQuarter: summary.meanDivergence(length - length / 4..<length),
                divergenceByPosition: summary.divergenceByPosition, sameTop: summary.sameTopShare,
                repetition: summary.repetition, texts: subjects.map { tokenizer.decode($0.tokens) })
        }
    }
}

/// The settings of results of kind `generation`.
public struct GenerationComparisonSettings: Codable, Sendable, Hashable {
    /// The cache that the others are compared with.
    public let reference: String
    /// Tokens of every text.
    public let tokens: Int
    /// The file that the prompts were cut from; missing for the built-in ones.
    public let text: String?
    /// SHA-256 of the file.
    public let textSHA256: String?
    /// Prompts.
    public let prompts: Int
    /// Tokens of a prompt; missing for the built-in ones.
    public let promptTokens: Int?
    /// How linear layers multiplied: `int8` or `float32`.
    public let linear: String
    /// What the prompt's own attention read: `cache` or `exact`.
    public let prefill: PrefillAttention

    /// Creates settings.
    public init(
        reference: String, tokens: Int, text: String?, textSHA256: String?, prompts: Int, promptTokens: Int?,
        linear: String, prefill: PrefillAttention
    ) {
        self.reference = reference
        self.tokens = tokens
        self.text = text
        self.textSHA256 = textSHA256
        self.prompts = prompts
        self.promptTokens = promptTokens
        self.linear = linear
        self.prefill = prefill
    }
}

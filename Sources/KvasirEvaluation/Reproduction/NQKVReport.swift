internal import KvasirEngine

/// A statement about one experiment of the paper.
public struct NQKVFinding: Sendable, Hashable, Codable {
    /// Whether our figures say what the paper says.
    public enum Verdict: String, Sendable, Hashable, Codable {
        /// They do.
        case agrees
        /// They do in part; the sentence says which.
        case agreesInPart = "agrees in part"
        /// They do not.
        case differs
        /// Nothing was measured.
        case notMeasured = "not measured"
    }

    /// The paper's figures and tables.
    public let experiment: String
    /// What the paper reports.
    public let published: String
    /// What was measured here.
    public let ours: String
    /// Whether the two say the same.
    public let verdict: Verdict
    /// What agrees and what does not.
    public let sentence: String
}

/// The accuracy of one cache on the paper's tasks, taken from a result of kind `tasks`.
public struct NQKVAccuracy: Sendable, Hashable, Codable {
    /// The cache.
    public let cache: String
    /// Share of right answers (`acc`) by task.
    public let tasks: [String: Double]
    /// Their mean.
    public let average: Double
    /// Its change against the first cache; nil for the first.
    public let difference: Double?
    /// The standard error of the change.
    public let differenceError: Double?

    /// The caches of a result, with a table's tasks and no others.
    ///
    /// - Parameters:
    ///   - document: a result of kind `tasks`.
    ///   - name: its file's name.
    ///   - model: what is reproduced.
    ///   - tasks: the table's.
    ///   - isRounded: whether the table is of 8-bit weights and activations.
    /// - Throws: `EvaluationError` if the document is of another kind, model or kind of weights, or has none of the tasks.
    public static func read(
        _ document: ResultDocument, name: String, model: ModelDescription, tasks: [String] = PublishedNQKV.tasks,
        isRounded: Bool = false
    ) throws(EvaluationError) -> [NQKVAccuracy] {
        guard document.kind == .tasks else {
            throw EvaluationError(
                received: "\(name) of kind '\(document.kind)'", remedy: "give a result of 'kvasir evaluate tasks'")
        }
        guard document.model?.sha256 == model.sha256 else {
            throw EvaluationError(
                received: "\(name) of model \(document.model?.file ?? "unknown")",
                remedy: "it must be of the model that is reproduced, \(model.file)")
        }
        guard (document.model?.weights != nil) == isRounded else {
            throw EvaluationError(
                received: "\(name) with weights '\((document.model?.weights ?? .file).rawValue)'",
                remedy: isRounded
                    ? "give a result of 'kvasir evaluate tasks --weights w8a8' or 'w8a8-static'"
                    : "give a result of 'kvasir evaluate tasks' with the file's weights")
        }
        let results: Results = try document.results()
        return try results.caches.map { cache throws(EvaluationError) in
            let scores = cache.tasks.filter { $0.metric == "acc" && tasks.contains($0.task) }
            guard !scores.isEmpty else {
                throw EvaluationError(
                    received: "\(name) without the paper's tasks",
                    remedy: "evaluate at least one of \(tasks.joined(separator: ", "))")
            }
            let count = Double(scores.count)
            let changes = scores.compactMap(\.difference)
            let errors = scores.compactMap(\.differenceError)
            return NQKVAccuracy(
                cache: cache.cache,
                tasks: Dictionary(scores.map { ($0.task, $0.value) }, uniquingKeysWith: { $1 }),
                average: scores.reduce(0) { $0 + $1.value } / count,
                difference: changes.count == scores.count ? changes.reduce(0, +) / count : nil,
                // Tasks are independent of each other.
                differenceError: errors.count == scores.count
                    ? errors.reduce(0) { $0 + $1 * $1 }.squareRoot() / count : nil)
        }
    }

    /// What is read of the result; whatever else it holds is left alone.
    private struct Results: Decodable {
        struct Score: Decodable {
            let task: String
            let metric: String
            let value: Double
            let difference: Double?
            let differenceError: Double?
        }
        struct Cache: Decodable {
            let cache: String
            let tasks: [Score]
        }
        let caches: [Cache]
    }
}

/// The results of kind `nqkv`: the paper's experiments on another model, with a statement for each.
public struct NQKVReport: Sendable, Hashable, Codable {
    /// Figures 1 and 2.
    public let shares: [CacheShare]
    /// Figures 3 and 4, and table 1 as the paper has it.
    public let sample: SingleTokenSample
    /// Table 1 for all tokens and layers.
    public let normality: [NormalityReport.Row]
    /// Table 2; empty if no result of the tasks was given.
    public let accuracies: [NQKVAccuracy]
    /// Table 3; nil if no result of the tasks with 8-bit weights was given.
    public let smoothQuant: NQKVSmoothQuant?
    /// Table 4, figures 8 and 9.
    public let serving: [ServingResult]
    /// A statement for each experiment.
    public let findings: [NQKVFinding]

    /// Creates a report and states what agrees.
    public init(
        shares: [CacheShare], sample: SingleTokenSample, normality: [NormalityRow], accuracies: [NQKVAccuracy],
        smoothQuant: NQKVSmoothQuant? = nil, serving: [ServingResult], cache: String
    ) {
        self.shares = shares
        self.sample = sample
        self.normality = NormalityRow.overLayers(normality).map { NormalityReport.Row($0) }
        self.accuracies = accuracies
        self.smoothQuant = smoothQuant
        self.serving = serving
        findings = [
            NQKVFinding.memory(shares, cache: cache), NQKVFinding.distributions(sample),
            NQKVFinding.normality(self.normality, sample: sample), NQKVFinding.accuracy(accuracies, cache: cache),
            NQKVFinding.smoothQuant(smoothQuant, cache: cache), NQKVFinding.serving(serving, cache: cache),
            NQKVFinding.peaks(serving, cache: cache),
        ]
    }
}

/// The settings of results of kind `nqkv`.
public struct NQKVSettings: Codable, Sendable, Hashable {
    /// The text's file name.
    public let text: String
    /// SHA-256 of the text.
    public let textSHA256: String
    /// The cache that stands for NQKV.
    public let cache: String
    /// Values of a block of the tests of normality.
    public let blockSize: Int
    /// Tokens whose keys and values are tested.
    public let context: Int
    /// Sequences of the shares of memory.
    public let shareBatches: [Int]
    /// Tokens of a sequence of the shares of memory.
    public let shareLengths: [Int]
    /// Sequences that generate together.
    public let batches: [Int]
    /// Tokens of their prompts.
    public let lengths: [Int]
    /// Tokens that each generates.
    public let tokens: Int
    /// How linear layers multiplied: `int8` or `float32`.
    public let linear: String

    /// Creates settings.
    public init(
        text: String, textSHA256: String, cache: String, blockSize: Int, context: Int, shareBatches: [Int],
        shareLengths: [Int], serving: ServingBenchmark, linear: String
    ) {
        self.text = text
        self.textSHA256 = textSHA256
        self.cache = cache
        self.blockSize = blockSize
        self.context = context
        self.shareBatches = shareBatches
        self.shareLengths = shareLengths
        batches = serving.batches
        lengths = serving.lengths
        tokens = serving.tokens
        self.linear = linear
    }
}

extension ResultKind {
    /// The experiments of the NQKV paper.
    public static let nqkv = ResultKind(rawValue: "nqkv")
}

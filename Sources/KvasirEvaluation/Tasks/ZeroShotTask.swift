/// A multiple-choice task, asked without examples, as lm-evaluation-harness asks it.
///
/// Prompts, choices, metrics and versions are those of EleutherAI's lm-evaluation-harness 0.4.13 for the tasks of the same
/// names. Source: Gao et al., "A framework for few-shot language model evaluation" (doi:10.5281/zenodo.10256836).
public struct ZeroShotTask: Sendable {
    /// The harness's name of it.
    public let name: String
    /// The task's version in the harness.
    public let version: String
    /// The metrics that the harness reports.
    public let metrics: [TaskMetric]

    let record: any TaskRecord.Type

    /// The name of its file in a data directory.
    public var fileName: String { "\(name).jsonl" }

    /// Every task, in the order they are run by default.
    public static let all: [ZeroShotTask] = [
        ZeroShotTask(
            name: "piqa", version: "1.0", metrics: [.accuracy, .normalizedAccuracy], record: PIQARecord.self),
        ZeroShotTask(
            name: "winogrande", version: "1.0", metrics: [.accuracy], record: WinoGrandeRecord.self),
        ZeroShotTask(
            name: "hellaswag", version: "1.0", metrics: [.accuracy, .normalizedAccuracy],
            record: HellaSwagRecord.self),
        ZeroShotTask(
            name: "arc_easy", version: "1.0", metrics: [.accuracy, .normalizedAccuracy], record: ARCRecord.self),
        ZeroShotTask(
            name: "arc_challenge", version: "1.0", metrics: [.accuracy, .normalizedAccuracy],
            record: ARCRecord.self),
        ZeroShotTask(name: "rte", version: "1.0", metrics: [.accuracy], record: RTERecord.self),
        ZeroShotTask(name: "boolq", version: "2.0", metrics: [.accuracy], record: BoolQRecord.self),
    ]

    /// The task of this name.
    ///
    /// - Throws: `EvaluationError` that lists the tasks there are.
    public init(named name: String) throws(EvaluationError) {
        guard let task = Self.all.first(where: { $0.name == name }) else {
            throw EvaluationError(
                received: "task '\(name)'", remedy: "known are \(Self.all.map(\.name).joined(separator: ", "))")
        }
        self = task
    }

    init(name: String, version: String, metrics: [TaskMetric], record: any TaskRecord.Type) {
        self.name = name
        self.version = version
        self.metrics = metrics
        self.record = record
    }
}

/// How the choice of a model is found from the log-likelihoods of the continuations.
public enum TaskMetric: String, Sendable, Hashable, CaseIterable, Codable {
    /// The likeliest continuation.
    case accuracy = "acc"
    /// The continuation with the largest log-likelihood for every character of the choice.
    case normalizedAccuracy = "acc_norm"
}

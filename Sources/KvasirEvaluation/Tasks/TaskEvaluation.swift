internal import KvasirCache
public import KvasirEngine

/// The accuracy of a model on multiple-choice tasks with several caches, over the same items.
///
/// Every choice is scored by the log-likelihood of its continuation after its context. The cache is read by the continuation
/// and, unless the prompt's attention is exact, by the context.
public struct TaskEvaluation: Sendable {
    /// The tasks, in the order they are run.
    public let tasks: [PlannedTask]

    /// Creates an evaluation.
    ///
    /// - Throws: `EvaluationError` if there is no task, or one occurs twice.
    public init(_ tasks: [PlannedTask]) throws(EvaluationError) {
        try Self.check(tasks.map(\.file.task))
        self.tasks = tasks
    }

    /// Checks what can be checked without files.
    ///
    /// - Throws: `EvaluationError` if there is no task, or one occurs twice.
    public static func check(_ tasks: [ZeroShotTask]) throws(EvaluationError) {
        guard !tasks.isEmpty else { throw EvaluationError(received: "no task", remedy: "name at least one") }
        for (index, task) in tasks.enumerated() where tasks[..<index].contains(where: { $0.name == task.name }) {
            throw EvaluationError(received: "task '\(task.name)' twice", remedy: "name it once")
        }
    }

    /// Scores all items with every engine.
    ///
    /// - Parameters:
    ///   - engines: the model that the tasks were planned for, with the caches to measure.
    ///   - exact: the model with an f32 cache, where the prompt's attention is to be exact.
    ///   - run: keeps the score of every item.
    /// - Returns: for every task the scores of every engine, in the order of the items.
    /// - Throws: `EvaluationCancelled`; `EvaluationError` if the model gives no probabilities or the journal fails; whatever an
    ///   engine throws.
    public func run(
        engines: [InferenceEngine], exact: InferenceEngine? = nil, run: EvaluationRun = EvaluationRun()
    ) throws -> [TaskScores] {
        run.begin(units: engines.count * tasks.reduce(0) { $0 + $1.plans.count })
        let scorers = engines.map { ItemScorer(engine: $0, exact: exact) }
        return try tasks.map { task in
            let name = task.file.task.name
            run.detail = name
            var scores = engines.map { _ in [ItemScore]() }
            // The caches in turn, so that what is done at any time can be compared.
            for batch in task.batches {
                for (index, engine) in engines.enumerated() {
                    var computed: [ItemScore] = []
                    for item in batch {
                        // The first item that the journal does not have brings all others of the batch with it.
                        scores[index].append(
                            try run.unit("\(engine.plan.configuration) \(name) \(item)") {
                                if computed.isEmpty {
                                    computed = try scorers[index].score(Array(task.plans[item..<batch.upperBound]))
                                }
                                return computed[computed.count - (batch.upperBound - item)]
                            })
                    }
                }
            }
            return TaskScores(task: task.file.task, truncatedItems: task.truncatedItems, caches: scores)
        }
    }
}

/// The scores of a task's items.
public struct TaskScores: Sendable {
    /// The task.
    public let task: ZeroShotTask
    /// Items of which a request was cut from the left.
    public let truncatedItems: Int
    /// For every cache, the scores of all items in the same order.
    public let caches: [[ItemScore]]
}

public import KvasirCache

/// The results of kind `tasks`.
public struct TaskReport: Codable, Sendable, Hashable {
    /// One metric of one task with one cache.
    public struct Score: Codable, Sendable, Hashable {
        /// How the choices are compared.
        public let metric: TaskMetric
        /// Share of right answers, 0 to 1.
        public let accuracy: Double
        /// Missing for a single item.
        public let standardError: Double?
        /// Change against the first cache, item by item; missing for the first.
        public let difference: Double?
        /// Standard error of the change, that of the paired differences.
        public let differenceError: Double?

        init(_ metric: TaskMetric, _ share: SampleMean, _ change: SampleMean?) {
            self.metric = metric
            accuracy = share.mean
            standardError = share.standardError
            difference = change?.mean
            differenceError = change?.standardError
        }
    }

    /// One task with one cache.
    public struct Task: Codable, Sendable, Hashable {
        /// The task's name.
        public let task: String
        /// Items that were scored.
        public let items: Int
        /// Items of which a request was cut from the left to fit the context.
        public let truncatedItems: Int
        /// The metrics that the harness reports of this task.
        public let scores: [Score]
    }

    /// One cache.
    public struct Cache: Codable, Sendable, Hashable {
        /// The cache's configuration.
        public let cache: String
        /// Bits per cached value of keys.
        public let bitsPerValueK: Double
        /// Bits per cached value of values.
        public let bitsPerValueV: Double
        /// Every task, in the order they were run.
        public let tasks: [Task]
        /// The unweighted mean of the tasks' `acc`; missing for a single task.
        public let average: Score?
    }

    /// The caches, the one that the others are compared with first.
    public let caches: [Cache]

    /// Creates a report; `plans` are those of the caches in the order of the scores.
    public init(_ tasks: [TaskScores], plans: [CachePlan]) {
        caches = plans.indices.map { index in
            func shares(_ metric: TaskMetric) -> [SampleMean] { tasks.map { $0.caches[index].accuracy(metric) } }
            func changes(_ metric: TaskMetric) -> [SampleMean]? {
                index == 0 ? nil : tasks.map { $0.caches[index].accuracyDifference(from: $0.caches[0], metric) }
            }
            let average =
                tasks.count < 2
                ? nil
                : Score(
                    .accuracy, SampleMean(of: shares(.accuracy)), changes(.accuracy).map { SampleMean(of: $0) })
            return Cache(
                cache: plans[index].configuration.description, bitsPerValueK: plans[index].bitsPerValueK,
                bitsPerValueV: plans[index].bitsPerValueV,
                tasks: tasks.enumerated().map { number, task in
                    Task(
                        task: task.task.name, items: task.caches[index].count, truncatedItems: task.truncatedItems,
                        scores: task.task.metrics.map { metric in
                            Score(metric, shares(metric)[number], changes(metric)?[number])
                        })
                },
                average: average)
        }
    }
}

/// The settings of results of kind `tasks`.
public struct TaskSettings: Codable, Sendable, Hashable {
    /// A task and what it was read from.
    public struct Task: Codable, Sendable, Hashable {
        /// The task's name.
        public let task: String
        /// The task's version in lm-evaluation-harness.
        public let version: String
        /// SHA-256 of its file.
        public let sha256: String

        /// Describes a task.
        public init(_ file: TaskFile) {
            task = file.task.name
            version = file.task.version
            sha256 = file.sha256
        }
    }

    /// The tasks, in the order they were run.
    public let tasks: [Task]
    /// The most items of a task; nil for all.
    public let limit: Int?
    /// The most tokens the model read.
    public let context: Int
    /// How linear layers multiplied: `int8` or `float32`.
    public let linear: String
    /// What the attention of contexts read.
    public let prefill: PrefillAttention

    /// Creates settings.
    public init(tasks: [TaskFile], limit: Int?, context: Int, linear: String, prefill: PrefillAttention) {
        self.tasks = tasks.map { Task($0) }
        self.limit = limit
        self.context = context
        self.linear = linear
        self.prefill = prefill
    }
}

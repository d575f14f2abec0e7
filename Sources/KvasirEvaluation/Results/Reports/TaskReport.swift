public import KvasirCache

/// The results of kind `tasks`.
public struct TaskReport: Codable, Sendable, Hashable {
    /// A share of right answers, 0 to 1, and its change.
    public struct Share: Codable, Sendable, Hashable {
        /// The share.
        public let value: Double
        /// Its standard error; missing for a single item.
        public let standardError: Double?
        /// Change against the first cache, item by item; missing for the first.
        public let difference: Double?
        /// Standard error of the change, that of the paired differences.
        public let differenceError: Double?

        init(_ share: SampleMean, _ change: SampleMean?) {
            value = share.mean
            standardError = share.standardError
            difference = change?.mean
            differenceError = change?.standardError
        }
    }

    /// One metric of one task with one cache.
    public struct Score: Codable, Sendable, Hashable {
        /// The task's name.
        public let task: String
        /// The task's version in lm-evaluation-harness.
        public let version: String
        /// How the choices are compared.
        public let metric: TaskMetric
        /// Items that were scored.
        public let items: Int
        /// Items of which a request was cut from the left to fit the context.
        public let truncatedItems: Int
        /// What was found.
        public let share: Share

        private enum CodingKeys: String, CodingKey {
            case task, version, metric, items, truncatedItems
        }

        init(_ scores: TaskScores, _ metric: TaskMetric, _ share: Share) {
            task = scores.task.name
            version = scores.task.version
            self.metric = metric
            items = scores.caches.first?.count ?? 0
            truncatedItems = scores.truncatedItems
            self.share = share
        }

        /// Reads a row; the share's members are its own.
        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            task = try container.decode(String.self, forKey: .task)
            version = try container.decode(String.self, forKey: .version)
            metric = try container.decode(TaskMetric.self, forKey: .metric)
            items = try container.decode(Int.self, forKey: .items)
            truncatedItems = try container.decode(Int.self, forKey: .truncatedItems)
            share = try Share(from: decoder)
        }

        /// Writes a row with the share's members in it.
        public func encode(to encoder: any Encoder) throws {
            try share.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(task, forKey: .task)
            try container.encode(version, forKey: .version)
            try container.encode(metric, forKey: .metric)
            try container.encode(items, forKey: .items)
            try container.encode(truncatedItems, forKey: .truncatedItems)
        }
    }

    /// One cache.
    public struct Cache: Codable, Sendable, Hashable {
        /// The cache's configuration.
        public let cache: String
        /// Bits per cached value of keys.
        public let bitsPerValueK: Double
        /// Bits per cached value of values.
        public let bitsPerValueV: Double
        /// What those are made of, where bits follow attention: an average over the items.
        public let measuredBits: MeasuredBits?
        /// Every task in the order they were run, each with the metrics that the harness reports of it.
        public let tasks: [Score]
        /// The unweighted mean of the tasks' `acc`; missing for a single task.
        public let average: Share?
    }

    /// The caches, the one that the others are compared with first.
    public let caches: [Cache]

    /// Creates a report; `plans` are those of the caches in the order of the scores.
    public init(_ tasks: [TaskScores], plans: [CachePlan]) {
        caches = plans.indices.map { index in
            func share(_ task: TaskScores, _ metric: TaskMetric) -> SampleMean { task.caches[index].accuracy(metric) }
            func change(_ task: TaskScores, _ metric: TaskMetric) -> SampleMean? {
                index == 0 ? nil : task.caches[index].accuracyDifference(from: task.caches[0], metric)
            }
            let changes = tasks.compactMap { change($0, .accuracy) }
            var bits: MeasuredBits?
            for item in tasks.flatMap({ $0.caches[index] }) { bits.add(item.bits) }
            return Cache(
                cache: plans[index].configuration.description,
                bitsPerValueK: bits?.keys?.bitsPerValue ?? plans[index].bitsPerValueK,
                bitsPerValueV: bits?.values?.bitsPerValue ?? plans[index].bitsPerValueV, measuredBits: bits,
                tasks: tasks.flatMap { task in
                    task.task.metrics.map { Score(task, $0, Share(share(task, $0), change(task, $0))) }
                },
                average: tasks.count < 2
                    ? nil
                    : Share(
                        SampleMean(of: tasks.map { share($0, .accuracy) }),
                        changes.isEmpty ? nil : SampleMean(of: changes)))
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

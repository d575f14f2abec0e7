/// The answers of every item as JSON lines: tasks, within them caches, within them items.
public enum TaskLog {
    private struct Line: Encodable {
        let task: String
        let cache: String
        let score: ItemScore

        enum CodingKeys: String, CodingKey {
            case task, cache, prediction, correct
        }

        func encode(to encoder: any Encoder) throws {
            try score.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(task, forKey: .task)
            try container.encode(cache, forKey: .cache)
            try container.encode(byMetric(score.prediction), forKey: .prediction)
            try container.encode(byMetric(score.isCorrect), forKey: .correct)
        }

        private func byMetric<Value>(_ value: (TaskMetric) -> Value) -> [String: Value] {
            Dictionary(uniqueKeysWithValues: TaskMetric.allCases.map { ($0.rawValue, value($0)) })
        }
    }

    /// The lines of a run.
    ///
    /// - Parameters:
    ///   - tasks: the scores.
    ///   - caches: the caches' names, in the order of the scores.
    /// - Throws: `EvaluationError` if a number is not finite.
    public static func lines(_ tasks: [TaskScores], caches: [String]) throws(EvaluationError) -> [UInt8] {
        var bytes: [UInt8] = []
        for task in tasks {
            for (cache, scores) in zip(caches, task.caches) {
                for score in scores {
                    bytes += try ResultCoding.encode(Line(task: task.task.name, cache: cache, score: score))
                    bytes.append(UInt8(ascii: "\n"))
                }
            }
        }
        return bytes
    }
}

import Foundation

@testable import KvasirEvaluation

/// What lm-evaluation-harness makes of items of the tasks; scripts/fixtures/make-task-requests.py writes it.
struct TaskFixture: Decodable {
    struct Task: Decodable {
        let task: String
        let version: String
        let metrics: [String]
        let items: [Item]

        /// The lines of a file of this task.
        var lines: [UInt8] { Array(items.map { $0.line + "\n" }.joined().utf8) }

        /// Its items as the harness was given them.
        func file() throws -> TaskFile {
            let task = try ZeroShotTask(named: task)
            return try TaskFile(task, lines: lines, name: task.fileName)
        }
    }

    struct Item: Decodable {
        let line: String
        let requests: [[String]]
        let gold: Int
        let tied: Result
        let separate: Result
    }

    /// What one of the tiny models answers.
    struct Result: Decodable {
        let loglikelihoods: [Double]
        let acc: Double
        let accNorm: Double?

        enum CodingKeys: String, CodingKey {
            case loglikelihoods, acc
            case accNorm = "acc_norm"
        }
    }

    struct Pair: Decodable {
        let context: String
        let continuation: String
        /// The token ids of context and continuation.
        let tied: [[Int32]]
        let separate: [[Int32]]
    }

    /// Tokens the models read at most.
    let context: Int
    let tasks: [Task]
    let pairs: [Pair]

    static func load() throws -> TaskFixture {
        let url = Bundle.module.bundleURL.appending(path: "Fixtures/tasks.json")
        return try JSONDecoder().decode(TaskFixture.self, from: Data(contentsOf: url))
    }

    static func task(_ name: String) throws -> Task {
        guard let task = try load().tasks.first(where: { $0.task == name }) else { throw Missing(name: name) }
        return task
    }

    struct Missing: Error {
        let name: String
    }
}

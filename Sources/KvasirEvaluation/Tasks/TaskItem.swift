/// One question of a task, as the requests whose likelihoods are compared.
public struct TaskItem: Sendable, Hashable {
    /// Its position in the file, from 0.
    public let id: Int
    /// What is scored: one request for each choice.
    public let requests: [TaskRequest]
    /// The choices as the data has them: `acc_norm` divides by their lengths.
    public let choices: [String]
    /// The index of the right choice.
    public let gold: Int
}

/// A text and what may follow it: the model is asked how likely the continuation is.
public struct TaskRequest: Sendable, Hashable {
    /// What comes before.
    public let context: String
    /// What is scored.
    public let continuation: String

    /// Creates a request.
    public init(context: String, continuation: String) {
        self.context = context
        self.continuation = continuation
    }
}

/// A line of a task's file: the fields of the data set, and what the harness makes of them.
protocol TaskRecord: Decodable, SendableMetatype {
    /// The names of the fields that a line must have.
    static var fields: [String] { get }

    /// The question of this line.
    ///
    /// - Throws: `TaskRecordError` for values that no line may have.
    func item(id: Int) throws(TaskRecordError) -> TaskItem
}

/// A value that no line of the task may have.
struct TaskRecordError: Error {
    let received: String
    let remedy: String
}

extension TaskItem {
    /// What the harness's tasks put between context and continuation.
    private static let delimiter = " "

    /// A question whose choices follow one context.
    ///
    /// - Throws: `TaskRecordError` if the right choice is none of them.
    init(id: Int, context: String, choices: [String], gold: Int) throws(TaskRecordError) {
        guard choices.indices.contains(gold) else {
            throw TaskRecordError(
                received: "label \(gold)", remedy: "this line has \(choices.count) choices, counted from 0")
        }
        self.init(
            id: id,
            requests: choices.map { TaskRequest(context: context, continuation: Self.delimiter + $0) },
            choices: choices, gold: gold)
    }

    /// A question whose choices are the contexts of one continuation.
    init(id: Int, contexts: [String], continuation: String, gold: Int) {
        self.init(
            id: id,
            requests: contexts.map { TaskRequest(context: $0, continuation: Self.delimiter + continuation) },
            choices: contexts, gold: gold)
    }
}

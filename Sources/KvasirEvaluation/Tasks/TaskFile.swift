internal import Foundation

/// The items of a task, read from a file of JSON lines.
public struct TaskFile: Sendable {
    /// The task.
    public let task: ZeroShotTask
    /// The items, in the file's order.
    public let items: [TaskItem]
    /// SHA-256 of the whole file.
    public let sha256: String
    /// What errors call the file.
    public let name: String

    /// Reads the file of a task in a directory.
    ///
    /// - Parameters:
    ///   - task: which task.
    ///   - directory: holds `task.fileName`.
    ///   - limit: the most items; all if nil. Lines beyond are not looked at.
    /// - Throws: `EvaluationError` that names the file and, where one is at fault, the line.
    public init(_ task: ZeroShotTask, directory: String, limit: Int? = nil) throws(EvaluationError) {
        let path = URL(filePath: directory).appending(path: task.fileName).path
        try self.init(task, lines: EvaluationFile.read(path), name: path, limit: limit)
    }

    /// Reads the items from memory; `name` is what errors call the file.
    public init(_ task: ZeroShotTask, lines: [UInt8], name: String, limit: Int? = nil) throws(EvaluationError) {
        if let limit, limit < 1 {
            throw EvaluationError(
                received: "a limit of \(limit) items", remedy: "score at least one, or all by default")
        }
        let decoder = JSONDecoder()
        var items: [TaskItem] = []
        var rest = lines[...]
        while !rest.isEmpty, items.count < limit ?? .max {
            let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
            do throws(TaskRecordError) {
                items.append(try Self.item(task, rest[..<end], id: items.count, decoder: decoder))
            } catch {
                throw EvaluationError(
                    received: "\(name), line \(items.count + 1): \(error.received)", remedy: error.remedy)
            }
            rest = end < rest.endIndex ? rest[(end + 1)...] : rest[end...]
        }
        guard !items.isEmpty else {
            throw EvaluationError(received: name, remedy: "is empty; expected one item of \(task.name) a line")
        }
        self.task = task
        sha256 = EvaluationFile.sha256(lines)
        self.items = items
        self.name = name
    }

    private static func item(
        _ task: ZeroShotTask, _ line: ArraySlice<UInt8>, id: Int, decoder: JSONDecoder
    ) throws(TaskRecordError) -> TaskItem {
        guard line.contains(where: { !" \t\r".utf8.contains($0) }) else {
            throw TaskRecordError(received: "nothing", remedy: "remove the empty line")
        }
        let record: any TaskRecord
        do {
            record = try decoder.decode(task.record, from: Data(line))
        } catch let error as DecodingError {
            throw TaskRecordError(error, task: task)
        } catch {
            throw TaskRecordError(received: "\(error)", remedy: "expected a JSON object")
        }
        return try record.item(id: id)
    }
}

extension TaskRecordError {
    /// What is wrong with a line, in words.
    fileprivate init(_ error: DecodingError, task: ZeroShotTask) {
        let fields = "an item of \(task.name) has \(task.record.fields.joined(separator: ", "))"
        switch error {
        case .keyNotFound(let key, let context):
            self.init(received: "no field \(Self.name(context.codingPath + [key]))", remedy: fields)
        case .typeMismatch(let type, let context):
            self.init(received: Self.place(context), remedy: "expected \(Self.name(of: type)); \(fields)")
        case .valueNotFound(let type, let context):
            self.init(received: "\(Self.place(context)) is null", remedy: "expected \(Self.name(of: type))")
        case .dataCorrupted(let context) where !context.codingPath.isEmpty:
            self.init(received: Self.place(context), remedy: context.debugDescription)
        default:
            self.init(received: "no JSON", remedy: "expected one object a line; \(fields)")
        }
    }

    private static func place(_ context: DecodingError.Context) -> String {
        context.codingPath.isEmpty ? "the line" : "field \(name(context.codingPath))"
    }

    private static func name(_ path: [any CodingKey]) -> String {
        path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
            .replacing(".[", with: "[")
    }

    private static func name(of type: Any.Type) -> String {
        switch type {
        case is String.Type: "a string"
        case is Int.Type: "an integer"
        case is [Any].Type, is [String].Type: "a list"
        default: "\(type)".hasPrefix("Array") ? "a list" : "an object"
        }
    }
}

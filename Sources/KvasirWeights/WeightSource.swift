/// A set of named tensors: a model file, or several.
public protocol WeightSource: Sendable {
    /// The names of all tensors, in the source's order.
    var tensorNames: [String] { get }

    /// Returns the tensor called `name`.
    ///
    /// - Throws: `WeightError` with reason `.missing` if there is none.
    func tensor(named name: String) throws(WeightError) -> WeightTensor
}

/// A tensor that is missing, or not as described.
public struct WeightError: Error, Hashable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Reason: Sendable, Hashable {
        /// The source has no such tensor.
        case missing
        /// Type, shape and bytes do not fit together.
        case malformed

        var remedy: String {
            switch self {
            case .missing: "the file is incomplete or of another architecture, use another one"
            case .malformed: "give a shape that fits the type and the bytes"
            }
        }
    }

    /// The file the tensor was looked for in, if there is one.
    public let path: String?
    /// The tensor's name.
    public let tensor: String
    /// What kind of failure it is.
    public let reason: Reason
    /// What is wrong.
    public let problem: String
    /// What to do.
    public let remedy: String

    /// Describes a failure; the remedy has a default per reason.
    public init(path: String? = nil, tensor: String, reason: Reason, problem: String, remedy: String? = nil) {
        self.path = path
        self.tensor = tensor
        self.reason = reason
        self.problem = problem
        self.remedy = remedy ?? reason.remedy
    }

    /// One line: what was received, and what to do.
    public var description: String {
        onOneLine("\(path.map { "\($0): " } ?? "")tensor \(quoted(tensor)): \(problem); \(remedy)")
    }
}

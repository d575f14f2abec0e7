/// Text that is not the JSON that was asked for, and where that shows.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The byte offset in the text.
    public let offset: Int
    /// What is wrong there.
    public let problem: String

    /// Describes a failure.
    public init(offset: Int, problem: String) {
        self.offset = offset
        self.problem = problem
    }

    /// One line: where, and what is wrong.
    public var description: String { "byte \(offset): \(problem)" }
}

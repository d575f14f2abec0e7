/// An evaluation that cannot be carried out as asked for.
public struct EvaluationError: Error, Equatable, CustomStringConvertible {
    /// What was received.
    public let received: String
    /// What to do.
    public let remedy: String

    init(received: String, remedy: String) {
        self.received = received
        self.remedy = remedy
    }

    /// One line: what was received, and what to do.
    public var description: String { "\(received): \(remedy)" }
}

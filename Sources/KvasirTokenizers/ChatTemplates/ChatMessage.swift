/// One turn of a conversation.
public struct ChatMessage: Sendable, Hashable {
    /// Who speaks; the raw values are those of chat templates.
    public enum Role: String, Sendable, Hashable, CaseIterable {
        /// Instructions for the whole conversation.
        case system
        /// The person.
        case user
        /// The model.
        case assistant
    }

    /// Who speaks.
    public var role: Role
    /// What is said.
    public var content: String

    /// Creates a turn.
    public init(role: Role, content: String) {
        self.role = role
        self.content = content
    }
}

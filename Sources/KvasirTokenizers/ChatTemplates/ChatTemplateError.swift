/// Why a model's chat template cannot be used.
public struct ChatTemplateError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was wrong.
    public enum Reason: Sendable, Hashable {
        /// The model file has no template.
        case missing(architecture: String?)
        /// The template is of no known family; with its first characters.
        case unknownFamily(beginning: String, architecture: String?)
        /// The template is of a known family and does something that this version does not.
        case unsupportedFeature(String, family: ChatTemplate.Family)
        /// The template has no place for a turn of the conversation.
        case conversation(String, family: ChatTemplate.Family)
        /// The model was asked not to think, and its template has no such choice.
        case noThoughts(family: ChatTemplate.Family)
    }

    /// What was wrong, for a program to act on.
    public let reason: Reason

    /// Creates an error.
    package init(_ reason: Reason) { self.reason = reason }

    /// One line: what was received and what to do.
    public var description: String {
        let remedy = "give the prompt as raw text, or use a model with a \(Self.families) template"
        switch reason {
        case .missing(let architecture):
            return "the model\(Self.note(architecture)) has no chat template (chat_template); \(remedy)"
        case .unknownFamily(let beginning, let architecture):
            return "the chat template\(Self.note(architecture)) is of no known family "
                + "(it begins '\(beginning)'); \(remedy)"
        case .unsupportedFeature(let feature, let family):
            return "the chat template is \(family) but uses '\(feature)', which is not supported; \(remedy)"
        case .noThoughts(let family):
            return "the \(family) template has no choice about thinking; leave it out, or use a model of Qwen3"
        case .conversation(let turn, let family):
            return "the \(family) template has no place for a turn: \(turn); "
                + "begin with the user's, then take turns, and leave out the system message if the model knows none"
        }
    }

    private static var families: String {
        ChatTemplate.Family.allCases.map(\.rawValue).joined(separator: ", ")
    }

    private static func note(_ architecture: String?) -> String { architecture.map { " (architecture \($0))" } ?? "" }
}

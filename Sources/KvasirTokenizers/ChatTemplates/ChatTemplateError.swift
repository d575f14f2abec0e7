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
    }

    /// What was wrong, for a program to act on.
    public let reason: Reason

    init(_ reason: Reason) { self.reason = reason }

    /// One line: what was received and what to do.
    public var description: String {
        let remedy = "give the prompt as raw text, or use a model with a ChatML or Llama 3 template"
        switch reason {
        case .missing(let architecture):
            return "the model file\(Self.note(architecture)) has no tokenizer.chat_template; \(remedy)"
        case .unknownFamily(let beginning, let architecture):
            return "tokenizer.chat_template\(Self.note(architecture)) is neither ChatML nor Llama 3 "
                + "(it begins '\(beginning)'); \(remedy)"
        case .unsupportedFeature(let feature, let family):
            return "tokenizer.chat_template is \(family) but uses '\(feature)', which is not supported; \(remedy)"
        }
    }

    private static func note(_ architecture: String?) -> String { architecture.map { " (architecture \($0))" } ?? "" }
}

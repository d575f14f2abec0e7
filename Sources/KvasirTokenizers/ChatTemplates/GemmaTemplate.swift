/// Gemma: `<start_of_turn>role`, line break, trimmed content, `<end_of_turn>`, line break; the assistant is `model`.
///
/// Turns alternate, beginning with the user's. Gemma 3 writes a system message before the first user's, Gemma 1 and 2
/// know none.
struct GemmaTemplate: Sendable, Hashable {
    private let bosToken: String
    private let hasSystem: Bool

    init(_ source: TemplateSource, bosToken: String) throws(ChatTemplateError) {
        guard source.contains("bos_token"), source.contains("| trim") || source.contains("|trim") else {
            throw ChatTemplateError(.unsupportedFeature("content that is not trimmed", family: .gemma))
        }
        if let feature = source.first(of: ["tools", "<think>", "enable_thinking", "developer"]) {
            throw ChatTemplateError(.unsupportedFeature(feature, family: .gemma))
        }
        hasSystem = source.contains("first_user_prefix")
        guard hasSystem || source.contains("System role not supported") else {
            throw ChatTemplateError(.unsupportedFeature("an unknown treatment of system messages", family: .gemma))
        }
        self.bosToken = bosToken
    }

    func render(_ messages: [ChatMessage], addGenerationPrompt: Bool) throws(ChatTemplateError) -> String {
        var text = messages.isEmpty ? "" : bosToken
        var turns = messages[...]
        var prefix = ""
        if let first = messages.first, first.role == .system {
            guard hasSystem else {
                throw ChatTemplateError(.conversation("the model knows no system message", family: .gemma))
            }
            prefix = first.content + "\n\n"
            turns.removeFirst()
        }
        // Only whether a turn is the user's is looked at, so that a late system message may stand for an answer.
        for (index, message) in turns.enumerated() where (message.role == .user) != (index % 2 == 0) {
            throw ChatTemplate.outOfTurn(index, message, family: .gemma)
        }
        for message in turns {
            let role = message.role == .assistant ? "model" : message.role.rawValue
            text += "<start_of_turn>\(role)\n\(prefix)\(ChatTemplate.trimmed(message.content))<end_of_turn>\n"
            prefix = ""
        }
        if addGenerationPrompt { text += "<start_of_turn>model\n" }
        return text
    }
}

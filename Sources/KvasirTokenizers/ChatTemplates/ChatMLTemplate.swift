/// ChatML: `<|im_start|>role`, line break, content, `<|im_end|>`, line break.
struct ChatMLTemplate: Sendable, Hashable {
    /// What members of the family add that changes plain conversations.
    private static let unsupported = [
        "<think>", "reasoning_content", "enable_thinking", "system_message", "bos_token", "strip(", "| trim", "|trim",
    ]

    let defaultSystemMessage: String?

    init(_ source: TemplateSource) throws(ChatTemplateError) {
        if let feature = source.first(of: Self.unsupported) {
            throw ChatTemplateError(.unsupportedFeature(feature, family: .chatML))
        }
        let defaults = Set(source.literals(between: "<|im_start|>system\n", and: "<|im_end|>"))
        guard defaults.count <= 1 else {
            throw ChatTemplateError(.unsupportedFeature("several default system messages", family: .chatML))
        }
        defaultSystemMessage = defaults.first
    }

    func render(_ messages: [ChatMessage], addGenerationPrompt: Bool) -> String {
        var text = ""
        if let first = messages.first, first.role != .system, let defaultSystemMessage {
            text += turn(.system, defaultSystemMessage)
        }
        for message in messages { text += turn(message.role, message.content) }
        if addGenerationPrompt { text += "<|im_start|>assistant\n" }
        return text
    }

    private func turn(_ role: ChatMessage.Role, _ content: String) -> String {
        "<|im_start|>\(role.rawValue)\n\(content)<|im_end|>\n"
    }
}

/// Llama 3: `<|start_header_id|>role<|end_header_id|>`, blank line, trimmed content, `<|eot_id|>`.
///
/// From 3.1 on a system turn always comes first and gives two dates. Where a template would ask for today's date, the
/// constant it holds for want of a clock is used, so that the same conversation always gives the same text.
struct Llama3Template: Sendable, Hashable {
    /// What stands before the system message within its turn; nil before 3.1.
    private let systemPreamble: String?
    private let bosToken: String
    private let trimsContent: Bool

    init(_ source: TemplateSource, bosToken: String) throws(ChatTemplateError) {
        if let feature = source.first(of: ["<think>", "reasoning_content", "enable_thinking"]) {
            throw ChatTemplateError(.unsupportedFeature(feature, family: .llama3))
        }
        if source.contains("bos_token") {
            self.bosToken = bosToken
        } else {
            self.bosToken = source.contains("<|begin_of_text|>") ? "<|begin_of_text|>" : ""
        }
        trimsContent = source.contains("| trim") || source.contains("|trim")
        if source.contains("Cutting Knowledge Date: ") {
            guard let cutoff = source.literals(between: "Cutting Knowledge Date: ", and: "\n").first,
                let today = source.stringConstant(named: "date_string")
            else { throw ChatTemplateError(.unsupportedFeature("Cutting Knowledge Date", family: .llama3)) }
            systemPreamble = "Cutting Knowledge Date: \(cutoff)\nToday Date: \(today)\n\n"
        } else {
            systemPreamble = nil
        }
    }

    func render(_ messages: [ChatMessage], addGenerationPrompt: Bool) -> String {
        var text = messages.isEmpty ? "" : bosToken
        var turns = messages[...]
        if let systemPreamble, let first = messages.first {
            if first.role == .system { turns.removeFirst() }
            let content = first.role == .system ? trimmed(first.content) : ""
            text += header(.system) + systemPreamble + content + "<|eot_id|>"
        }
        for message in turns { text += header(message.role) + trimmed(message.content) + "<|eot_id|>" }
        if addGenerationPrompt { text += header(.assistant) }
        return text
    }

    private func header(_ role: ChatMessage.Role) -> String {
        "<|start_header_id|>\(role.rawValue)<|end_header_id|>\n\n"
    }

    private func trimmed(_ content: String) -> String { trimsContent ? ChatTemplate.trimmed(content) : content }
}

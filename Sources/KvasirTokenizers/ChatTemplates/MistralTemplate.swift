/// Mistral's instruction models: `[INST] content [/INST]`, the answer, and the token that ends a text.
///
/// Turns alternate, beginning with the user's. Versions differ in spaces, and in where a system message goes: before the
/// content of the first turn or of the last. In the latter case a conversation's beginning is written anew when it goes
/// on.
struct MistralTemplate: Sendable, Hashable {
    /// The turn of the user that a system message is written into.
    private enum SystemPlace: Sendable, Hashable { case none, first, last }

    private let bosToken: String
    private let eosToken: String
    private let opening: String
    private let closing: String
    private let answerPrefix: String
    private let answerSuffix: String
    private let trimsAnswers: Bool
    private let system: SystemPlace

    init(_ source: TemplateSource, bosToken: String, eosToken: String) throws(ChatTemplateError) {
        if let feature = source.first(of: ["<<SYS>>", "[SYSTEM_PROMPT]", "<think>", "[THINK]", "reasoning"]) {
            throw ChatTemplateError(.unsupportedFeature(feature, family: .mistral))
        }
        func has(_ texts: String...) -> Bool { source.first(of: texts) != nil }
        guard has("bos_token"), has("eos_token"), has("[INST] "), !has("[INST]'", "[INST]\"") else {
            throw ChatTemplateError(.unsupportedFeature("an unknown form of '[INST]'", family: .mistral))
        }
        opening = has("' [INST] '", "\" [INST] \"") ? " [INST] " : "[INST] "
        closing = has("' [/INST]'", "\" [/INST]\"") ? " [/INST]" : "[/INST]"
        // The answer's expression, in the spellings that the models came with.
        let contents = ["message['content']", "message[\"content\"]"]
        let trims = ["|trim", " | trim"]
        trimsAnswers = contents.contains { content in trims.contains { source.contains("\(content)\($0) + eos_token") }
        }
        let ends = contents.flatMap { content in
            ([""] + trims).map { "\(content)\($0) + eos_token" }
        }
        guard let end = ends.first(where: source.contains) else {
            throw ChatTemplateError(.unsupportedFeature("an unknown form of answers", family: .mistral))
        }
        answerPrefix = has("' ' + \(end)", "\" \" + \(end)") ? " " : ""
        answerSuffix = has("\(end) + ' '", "\(end) + \" \"") ? " " : ""
        if has("loop.first and system_message") {
            system = .first
        } else if has("loop.last and system_message") {
            system = .last
        } else {
            guard !has("system_message") else {
                throw ChatTemplateError(
                    .unsupportedFeature("an unknown treatment of system messages", family: .mistral))
            }
            system = .none
        }
        self.bosToken = bosToken
        self.eosToken = eosToken
    }

    func render(_ messages: [ChatMessage], addGenerationPrompt: Bool) throws(ChatTemplateError) -> String {
        var text = messages.isEmpty ? "" : bosToken
        var turns = messages[...]
        var systemText = ""
        if let first = messages.first, first.role == .system {
            guard system != .none else {
                throw ChatTemplateError(.conversation("the model knows no system message", family: .mistral))
            }
            systemText = first.content + "\n\n"
            turns.removeFirst()
        }
        for (index, message) in turns.enumerated() where message.role != (index % 2 == 0 ? .user : .assistant) {
            throw ChatTemplate.outOfTurn(index, message, family: .mistral)
        }
        for (index, message) in zip(turns.indices, turns) {
            if message.role == .assistant {
                let answer = trimsAnswers ? ChatTemplate.trimmed(message.content) : message.content
                text += answerPrefix + answer + eosToken + answerSuffix
            } else {
                let place = system == .last ? turns.endIndex - 1 : turns.startIndex
                text += opening + (index == place ? systemText : "") + message.content + closing
            }
        }
        return text
    }
}

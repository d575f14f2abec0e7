/// ChatML: `<|im_start|>role`, line break, content, `<|im_end|>`, line break.
///
/// Qwen3 puts a model's thoughts before its answer, between `<think>` and `</think>`. They are written for answers after
/// the last question only, and a prompt with empty ones asks for an answer at once.
struct ChatMLTemplate: Sendable, Hashable {
    /// What members of the family add that changes plain conversations.
    private static let unsupported = ["system_message", "bos_token", "| trim", "|trim"]
    /// What only templates with thoughts have.
    private static let thinking = ["<think>", "reasoning_content", "enable_thinking", "strip("]
    /// What the templates of Qwen3 have in common, without white space: how thoughts are found, when they are written.
    private static let qwen3 = [
        "namespace(multi_step_tool=true,last_query_index=messages|length-1)",
        "{%-ifns.multi_step_toolandmessage.role==\"user\"and",
        "not(message.content.startswith('<tool_response>')andmessage.content.endswith('</tool_response>'))%}",
        "content.split('</think>')[-1].lstrip('\\n')%}",
        "content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n')%}",
        "{%-ifloop.index0>ns.last_query_index%}{%-ifloop.lastor(notloop.lastandreasoning_content)%}",
        "'\\n<think>\\n'+reasoning_content.strip('\\n')+'\\n</think>\\n\\n'+content.lstrip('\\n')}}",
        "{%-ifenable_thinkingisdefinedandenable_thinkingisfalse%}{{-'<think>\\n\\n</think>\\n\\n'}}",
    ]

    let defaultSystemMessage: String?
    /// Whether answers have thoughts, as Qwen3 writes them.
    let hasThoughts: Bool

    init(_ source: TemplateSource) throws(ChatTemplateError) {
        let squeezed = source.withoutWhitespace
        hasThoughts = Self.qwen3.allSatisfy(squeezed.contains)
        if let feature = source.first(of: (hasThoughts ? [] : Self.thinking) + Self.unsupported) {
            throw ChatTemplateError(.unsupportedFeature(feature, family: .chatML))
        }
        let defaults = Set(source.literals(between: "<|im_start|>system\n", and: "<|im_end|>"))
        guard defaults.count <= 1 else {
            throw ChatTemplateError(.unsupportedFeature("several default system messages", family: .chatML))
        }
        defaultSystemMessage = defaults.first
    }

    func render(_ messages: [ChatMessage], addGenerationPrompt: Bool, thinks: Bool) -> String {
        var text = ""
        if let first = messages.first, first.role != .system, let defaultSystemMessage {
            text += turn(.system, defaultSystemMessage)
        }
        let question = messages.lastIndex(where: Self.isQuestion) ?? messages.count - 1
        for (index, message) in messages.enumerated() {
            let content =
                hasThoughts && message.role == .assistant
                ? answer(message.content, isNew: index > question, isLast: index == messages.count - 1)
                : message.content
            text += turn(message.role, content)
        }
        if addGenerationPrompt {
            text += "<|im_start|>assistant\n"
            if hasThoughts, !thinks { text += "<think>\n\n</think>\n\n" }
        }
        return text
    }

    private func turn(_ role: ChatMessage.Role, _ content: String) -> String {
        "<|im_start|>\(role.rawValue)\n\(content)<|im_end|>\n"
    }

    /// Whether a turn asks something: what a tool has said comes as the user's, too.
    private static func isQuestion(_ message: ChatMessage) -> Bool {
        message.role == .user
            && !(message.content.utf8.starts(with: "<tool_response>".utf8)
                && message.content.utf8.reversed().starts(with: "</tool_response>".utf8.reversed()))
    }

    /// An answer with its thoughts if it is new, without them if not.
    private func answer(_ content: String, isNew: Bool, isLast: Bool) -> String {
        let end = Array("</think>".utf8)
        let bytes = Array(content.utf8)
        func isBreak(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\n") }
        var visible = bytes[...]
        var thoughts = bytes[..<0]
        if let first = bytes.firstRange(of: end), let last = bytes.ranges(of: end).last {
            visible = bytes[last.upperBound...].drop(while: isBreak)
            thoughts = bytes[..<first.lowerBound]
            while let last = thoughts.last, isBreak(last) { thoughts.removeLast() }
            if let start = thoughts.ranges(of: Array("<think>".utf8)).last { thoughts = thoughts[start.upperBound...] }
            thoughts = thoughts.drop(while: isBreak)
        }
        func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
        guard isNew, isLast || !thoughts.isEmpty else { return text(visible) }
        while let last = thoughts.last, isBreak(last) { thoughts.removeLast() }
        return "<think>\n\(text(thoughts))\n</think>\n\n\(text(visible.drop(while: isBreak)))"
    }
}

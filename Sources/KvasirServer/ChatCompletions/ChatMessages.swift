#if Server
internal import KvasirTokenizers

/// The `messages` of a chat request.
enum ChatMessages {
    /// One message as it was sent.
    struct Incoming: Sendable, Hashable {
        enum Role: String, CaseIterable { case system, developer, user, assistant, tool }

        let role: Role
        let content: String
        let calls: [ToolCall]
    }

    /// Reads the messages.
    static func read(_ fields: RequestFields) throws(APIError) -> [Incoming] {
        guard let elements = try fields.array("messages") else {
            throw .invalid("messages", "'messages' is missing")
        }
        guard !elements.isEmpty else { throw .invalid("messages", "'messages' is empty; give at least one") }
        var messages: [Incoming] = []
        for (index, element) in elements.enumerated() {
            messages.append(try message(RequestFields(element, path: "messages[\(index)]")))
        }
        return messages
    }

    private static func message(_ fields: RequestFields) throws(APIError) -> Incoming {
        guard let name = try fields.string("role") else {
            throw .invalid(fields.name("role"), "'\(fields.name("role"))' is missing")
        }
        guard let role = Incoming.Role(rawValue: name) else {
            let known = Incoming.Role.allCases.map(\.rawValue).joined(separator: ", ")
            throw .invalid(
                fields.name("role"), "'\(fields.name("role"))' is '\(name.prefix(40))'; give one of \(known)")
        }
        var calls: [ToolCall] = []
        if role == .assistant, let elements = try fields.array("tool_calls") {
            for (index, element) in elements.enumerated() {
                calls.append(
                    try ToolCall(RequestFields(element, path: "\(fields.name("tool_calls"))[\(index)]")))
            }
        }
        if role == .assistant, calls.isEmpty == false, fields["content"] == nil {
            return Incoming(role: role, content: "", calls: calls)
        }
        return Incoming(role: role, content: try content(fields), calls: calls)
    }

    /// Text, or parts that are text.
    private static func content(_ fields: RequestFields) throws(APIError) -> String {
        let name = fields.name("content")
        switch try fields.required("content") {
        case .string(let text): return text
        case .array(let parts):
            var text = ""
            for (index, part) in parts.enumerated() {
                let part = try RequestFields(part, path: "\(name)[\(index)]")
                let type = try part.string("type") ?? ""
                guard type == "text" else {
                    throw .invalid(
                        part.name("type"),
                        "'\(part.name("type"))' is '\(type.prefix(40))'; this server reads parts of type 'text' only")
                }
                guard let string = try part.string("text") else {
                    throw .invalid(part.name("text"), "'\(part.name("text"))' is missing")
                }
                text += string
            }
            return text
        case let other: throw fields.wrongType("content", other, "text or an array of parts")
        }
    }

    /// The turns a template is given.
    ///
    /// - Throws: `APIError` for tools where the model's template knows none.
    static func turns(
        _ messages: [Incoming], tools: [ToolDefinition], template: ChatTemplate
    ) throws(APIError) -> [ChatMessage] {
        let usesTools = !tools.isEmpty || messages.contains { $0.role == .tool || !$0.calls.isEmpty }
        guard usesTools else {
            return messages.map { ChatMessage(role: role($0.role), content: $0.content) }
        }
        guard template.family == .chatML else {
            throw .invalid(
                "tools",
                "this model's chat template is of the \(template.family) family; tools work with ChatML models only",
                code: "unsupported_parameter")
        }
        return ToolPrompt.turns(messages, tools: tools, defaultSystemMessage: template.defaultSystemMessage)
    }

    static func role(_ role: Incoming.Role) -> ChatMessage.Role {
        switch role {
        case .system, .developer: .system
        case .user, .tool: .user
        case .assistant: .assistant
        }
    }
}
#endif

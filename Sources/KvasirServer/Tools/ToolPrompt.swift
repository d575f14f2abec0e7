#if Server
internal import KvasirTokenizers

/// How tools, calls and results are written for ChatML models: the convention of Hermes, which Qwen2.5 was trained on.
enum ToolPrompt {
    static let opening = "<tool_call>"
    static let closing = "</tool_call>"

    /// The turns of a conversation, tools in the system message, results as the user's.
    static func turns(
        _ messages: [ChatMessages.Incoming], tools: [ToolDefinition], defaultSystemMessage: String?
    ) -> [ChatMessage] {
        var rest = messages[...]
        var system = defaultSystemMessage ?? ""
        if let first = rest.first, ChatMessages.role(first.role) == .system {
            system = first.content
            rest.removeFirst()
        }
        if !tools.isEmpty { system += (system.isEmpty ? "" : "\n\n") + description(of: tools) }
        var turns: [ChatMessage] = system.isEmpty ? [] : [ChatMessage(role: .system, content: system)]
        var wasResult = false
        for message in rest {
            var turn = ChatMessage(role: ChatMessages.role(message.role), content: content(message))
            if message.role == .tool, wasResult {
                // Results that follow one another are one turn.
                turn.content = turns.removeLast().content + "\n" + turn.content
            }
            wasResult = message.role == .tool
            turns.append(turn)
        }
        return turns
    }

    private static func content(_ message: ChatMessages.Incoming) -> String {
        guard message.role != .tool else { return "<tool_response>\n\(message.content)\n</tool_response>" }
        let calls = message.calls.map { call in
            let name = JSONNode.string(call.name).text()
            return "\(opening)\n{\"name\": \(name), \"arguments\": \(call.arguments.text(.spaced))}\n\(closing)"
        }
        return ((message.content.isEmpty ? [] : [message.content]) + calls).joined(separator: "\n")
    }

    private static func description(of tools: [ToolDefinition]) -> String {
        """
        # Tools

        You may call one or more functions to assist with the user query.

        You are provided with function signatures within <tools></tools> XML tags:
        <tools>
        \(tools.map { $0.json.text(.spaced) }.joined(separator: "\n"))
        </tools>

        For each function call, return a json object with function name and arguments within <tool_call></tool_call> \
        XML tags:
        <tool_call>
        {"name": <function-name>, "arguments": <args-json-object>}
        </tool_call>
        """
    }
}

/// The grammar of an answer that must be a call.
enum ToolGrammar {
    /// One call of one of some tools, with arguments of its schema.
    static func grammar(_ tools: [ToolDefinition]) throws(APIError) -> Grammar {
        // One grammar for all; references are within each tool's own schema.
        var ways: [Int] = []
        var json = JSONGrammar()
        for tool in tools {
            let end = json.grammar.literal("}\n\(ToolPrompt.closing)", then: Grammar.end)
            var compiler = SchemaCompiler(root: tool.parameters ?? .object([]))
            compiler.json = json
            let arguments: Int
            if let schema = tool.parameters {
                do throws(SchemaError) {
                    arguments = try compiler.compile(schema, "", then: end)
                } catch {
                    throw .invalid(tool.path, "'\(tool.path)\(error.path)': \(error.problem)")
                }
            } else {
                arguments = compiler.json.grammar.call(json.object, then: end)
            }
            json = compiler.json
            let name = JSONNode.string(tool.name).text()
            ways.append(
                json.grammar.literal("\(ToolPrompt.opening)\n{\"name\": \(name), \"arguments\": ", then: arguments))
        }
        var grammar = json.grammar
        grammar.start = grammar.choice(ways)
        return grammar
    }
}
#endif

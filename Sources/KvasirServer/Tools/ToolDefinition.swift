#if Server
internal import KvasirJSON

/// A function that a model may call, as a request describes it.
struct ToolDefinition: Sendable, Hashable {
    let name: String
    /// The whole description, as it was sent.
    let json: JSONNode
    /// The schema of its arguments; nil for any object.
    let parameters: JSONNode?
    /// Where it stands in the request.
    let path: String

    init(_ fields: RequestFields, json: JSONNode, path: String) throws(APIError) {
        guard try fields.string("type") == "function", let function = try fields.object("function") else {
            throw .invalid(
                fields.name("type"), "'\(fields.name("type"))' must be 'function', with a 'function' beside it")
        }
        guard let name = try function.string("name"), !name.isEmpty else {
            throw .invalid(function.name("name"), "'\(function.name("name"))' is missing")
        }
        self.name = name
        self.json = json
        parameters = try function.object("parameters") == nil ? nil : function["parameters"]
        self.path = function.name("parameters")
    }
}

/// A call that a model made earlier in a conversation.
struct ToolCall: Sendable, Hashable {
    let name: String
    let arguments: JSONNode

    init(_ fields: RequestFields) throws(APIError) {
        guard let function = try fields.object("function"), let name = try function.string("name") else {
            throw .invalid(fields.name("function"), "'\(fields.name("function"))' must be an object with a 'name'")
        }
        self.name = name
        let path = function.name("arguments")
        switch function["arguments"] {
        case nil: arguments = .object([])
        case .string(let text):
            do {
                arguments = try JSONNode(parsing: text.utf8)
            } catch {
                throw .invalid(path, "'\(path)' is not JSON at byte \(error.offset): \(error.problem)")
            }
        case .some(let object): arguments = object
        }
    }
}

/// Which tools a model is offered, and which it must call.
struct ToolSelection {
    /// Written into the prompt, and looked for in the answer.
    let offered: [ToolDefinition]
    /// The tools one of which must be called; nil if none need be.
    let forced: [ToolDefinition]?

    init(_ fields: RequestFields) throws(APIError) {
        var tools: [ToolDefinition] = []
        for (index, node) in (try fields.array("tools") ?? []).enumerated() {
            let path = "tools[\(index)]"
            let tool = try ToolDefinition(RequestFields(node, path: path), json: node, path: path)
            guard !tools.contains(where: { $0.name == tool.name }) else {
                throw .invalid(path, "'\(path)' has the name '\(tool.name)' of another tool")
            }
            tools.append(tool)
        }
        for old in ["functions", "function_call"] where fields[old] != nil {
            throw .invalid(
                old, "'\(old)' is not supported; use 'tools' and 'tool_choice'", code: "unsupported_parameter")
        }
        switch fields["tool_choice"] {
        case nil, .string("auto"): (offered, forced) = (tools, nil)
        case .string("none"): (offered, forced) = ([], nil)
        case .string("required"):
            guard !tools.isEmpty else {
                throw .invalid("tool_choice", "'tool_choice' is 'required' and there are no tools")
            }
            (offered, forced) = (tools, tools)
        case .object:
            let name = try fields.object("tool_choice")?.object("function")?.string("name") ?? ""
            guard let tool = tools.first(where: { $0.name == name }) else {
                throw .invalid("tool_choice", "'tool_choice' names '\(name.prefix(80))', which is none of the tools")
            }
            (offered, forced) = (tools, [tool])
        case .some(let other):
            throw .invalid(
                "tool_choice",
                "'tool_choice' is \(other.string.map { "'\($0.prefix(40))'" } ?? other.typeName); "
                    + "give none, auto, required, or {\"type\": \"function\", \"function\": {\"name\": …}}")
        }
    }
}
#endif

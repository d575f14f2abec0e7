#if Server
import KvasirTokenizers
import Testing

@testable import KvasirServer

struct ToolTests {
    private func pieces(_ text: String, by count: Int) -> [ToolCallReader.Piece] {
        var reader = ToolCallReader(isActive: true, makeID: { "id" })
        var pieces: [ToolCallReader.Piece] = []
        var rest = text[...]
        while !rest.isEmpty {
            pieces += reader.take(String(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        pieces += reader.finish()
        // However the text is cut, neighbours of a kind are one.
        return pieces.reduce(into: []) { all, piece in
            switch (all.last, piece) {
            case (.text(let a)?, .text(let b)): all[all.count - 1] = .text(a + b)
            case (.arguments(let i, let a)?, .arguments(_, let b)): all[all.count - 1] = .arguments(index: i, a + b)
            default: all.append(piece)
            }
        }
    }

    @Test(arguments: [1, 2, 3, 7, 1000])
    func callsAreFoundHoweverTheTextIsCut(count: Int) {
        #expect(pieces("a < b <tool> c\n", by: count) == [.text("a < b <tool> c\n")])
        #expect(
            pieces(
                "Ok\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": \"}\\\"\", \"y\": [{}]}}\n</tool_call>\n"
                    + "<tool_call>{\"arguments\": {\"z\": 1}, \"name\": \"g\"}</tool_call>", by: count)
                == [
                    .text("Ok"), .call(index: 0, id: "id", name: "f"),
                    .arguments(index: 0, "{\"x\": \"}\\\"\", \"y\": [{}]}"), .call(index: 1, id: "id", name: "g"),
                    .arguments(index: 1, "{\"z\": 1}"),
                ])
        #expect(pieces("<tool_call>nonsense</tool_call>!", by: count) == [.text("<tool_call>nonsense</tool_call>!")])
        #expect(
            pieces("<tool_call>\n{\"name\": \"f\"}", by: count)
                == [.call(index: 0, id: "id", name: "f"), .arguments(index: 0, "{}")])
    }

    @Test func textThatIsNoCallIsNotHeldBack() {
        var reader = ToolCallReader(isActive: true)
        #expect(reader.take("one <to") == [.text("one ")])
        #expect(reader.take("day") == [.text("<today")])
        var inactive = ToolCallReader(isActive: false)
        #expect(inactive.take("<tool_call>") == [.text("<tool_call>")])
    }

    private func messages(_ text: String) throws -> [ChatMessages.Incoming] {
        try ChatMessages.read(RequestFields(JSONNode(parsing: text.utf8)))
    }

    @Test func conversationsWithCallsAreWrittenAsModelsKnowThem() throws {
        let turns = ToolPrompt.turns(
            try messages(
                #"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":null,"tool_calls":["#
                    + #"{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},"#
                    + #"{"id":"2","type":"function","function":{"name":"g","arguments":"{}"}}]},"#
                    + #"{"role":"tool","tool_call_id":"1","content":"one"},{"role":"tool","tool_call_id":"2","content":"two"},"#
                    + #"{"role":"user","content":"r"}]}"#), tools: [], defaultSystemMessage: "S")
        #expect(
            turns == [
                ChatMessage(role: .system, content: "S"), ChatMessage(role: .user, content: "q"),
                ChatMessage(
                    role: .assistant,
                    content: "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>\n"
                        + "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>"),
                ChatMessage(
                    role: .user,
                    content: "<tool_response>\none\n</tool_response>\n<tool_response>\ntwo\n</tool_response>"),
                ChatMessage(role: .user, content: "r"),
            ])
    }

    /// The text that transformers 5.23 renders with the template of Qwen2.5 from the same messages and tools.
    private static let rendered = """
        <|im_start|>system
        You are Qwen, created by Alibaba Cloud. You are a helpful assistant.

        # Tools

        You may call one or more functions to assist with the user query.

        You are provided with function signatures within <tools></tools> XML tags:
        <tools>
        {"type": "function", "function": {"name": "f", "description": "Does “it”", "parameters": {"type": "object", \
        "properties": {"a": {"type": "integer"}}, "required": ["a"]}}}
        {"type": "function", "function": {"name": "g"}}
        </tools>

        For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
        <tool_call>
        {"name": <function-name>, "arguments": <args-json-object>}
        </tool_call><|im_end|>
        <|im_start|>user
        q<|im_end|>
        <|im_start|>assistant
        <tool_call>
        {"name": "f", "arguments": {"a": 1}}
        </tool_call>
        <tool_call>
        {"name": "g", "arguments": {}}
        </tool_call><|im_end|>
        <|im_start|>user
        <tool_response>
        one
        </tool_response>
        <tool_response>
        two
        </tool_response><|im_end|>
        <|im_start|>assistant
        Done.
        <tool_call>
        {"name": "g", "arguments": {}}
        </tool_call><|im_end|>
        <|im_start|>user
        <tool_response>
        x
        </tool_response><|im_end|>
        <|im_start|>user
        r<|im_end|>
        <|im_start|>assistant

        """

    @Test func theTextIsThatOfTheReference() throws {
        let request = try RequestFields(
            JSONNode(
                parsing: #"""
                    {"messages":[{"role":"user","content":"q"},
                    {"role":"assistant","content":"","tool_calls":[
                    {"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},
                    {"id":"2","type":"function","function":{"name":"g","arguments":"{}"}}]},
                    {"role":"tool","tool_call_id":"1","content":"one"},{"role":"tool","tool_call_id":"2","content":"two"},
                    {"role":"assistant","content":"Done.","tool_calls":[{"id":"3","type":"function","function":{"name":"g"}}]},
                    {"role":"tool","tool_call_id":"3","content":"x"},{"role":"user","content":"r"}],
                    "tools":[{"type":"function","function":{"name":"f","description":"Does “it”","parameters":
                    {"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}}},
                    {"type":"function","function":{"name":"g"}}]}
                    """#.utf8))
        let template = try ChatTemplate(
            source:
                "{{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\\n' }}"
        )
        let turns = try ChatMessages.turns(
            ChatMessages.read(request), tools: ToolSelection(request).offered, template: template)
        #expect(try template.render(messages: turns, addGenerationPrompt: true) == Self.rendered)
    }

    @Test func aForcedCallIsOneOfTheTools() throws {
        let request = #"""
            {"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}}},
            {"type":"function","function":{"name":"g"}}],"tool_choice":"required"}
            """#
        let selection = try ToolSelection(RequestFields(JSONNode(parsing: request.utf8)))
        let machine = GrammarMachine(
            try ToolGrammar.grammar(try #require(selection.forced)), TokenTrie(try TinyTokenizer.make().vocabulary))
        func accepts(_ call: String) -> Bool {
            let text = "<tool_call>\n\(call)\n</tool_call>"
            return machine.mayEnd(machine.advance(machine.start, by: text.utf8))
        }
        #expect(accepts(#"{"name": "f", "arguments": {"a": 3}}"#))
        #expect(accepts(#"{"name": "g", "arguments": {"x": [1]}}"#))
        #expect(!accepts(#"{"name": "f", "arguments": {"b": 3}}"#))
        #expect(!accepts(#"{"name": "h", "arguments": {}}"#))
    }

    @Test func aNamedToolIsForcedAlone() throws {
        let tools =
            #""tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]"#
        func selection(_ choice: String) throws -> ToolSelection {
            try ToolSelection(RequestFields(JSONNode(parsing: "{\(tools),\"tool_choice\":\(choice)}".utf8)))
        }
        let named = try selection(#"{"type":"function","function":{"name":"g"}}"#)
        #expect(named.forced?.map(\.name) == ["g"] && named.offered.count == 2)
        #expect(try selection("\"none\"").offered.isEmpty)
        #expect(try selection("\"auto\"").forced == nil)
        #expect(throws: APIError.self) { try selection(#"{"type":"function","function":{"name":"h"}}"#) }
        #expect(throws: APIError.self) { try selection("\"always\"") }
    }
}
#endif

#if Server
import HTTPTypes
import KvasirEngine
import KvasirTokenizers
import Testing

@testable import KvasirServer

struct ChatCompletionsTests {
    private let path = "/v1/chat/completions"
    private let user = #""messages":[{"role":"user","content":"hi"}]"#

    @Test func aMessageIsAnswered() async throws {
        let backend = try FakeBackend()
        let reply = try await TestServer.answer(
            backend, path,
            #"{"messages":[{"role":"developer","content":"be kind"},{"role":"user","content":[{"type":"text","text":"h"},{"type":"text","text":"i"}]},"#
                + #"{"role":"assistant","content":"yes"},{"role":"user","content":"go"}],"max_tokens":9,"max_completion_tokens":8}"#
        )
        #expect(
            reply.stable
                == #"{"id":"ID","object":"chat.completion","created":0,"model":"tiny","choices":[{"index":0,"#
                + #""message":{"role":"assistant","content":"hello","refusal":null},"logprobs":null,"finish_reason":"stop"}],"#
                + #""usage":{"prompt_tokens":\#(backend.requests[0].prompt.count),"completion_tokens":2,"#
                + #""total_tokens":\#(backend.requests[0].prompt.count + 2),"prompt_tokens_details":{"cached_tokens":1}}}"#
        )
        let text = backend.description.tokenizer.decode(backend.requests[0].prompt, skipSpecial: false)
        #expect(
            text
                == "<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nyes"
                + "<|im_end|>\n<|im_start|>user\ngo<|im_end|>\n<|im_start|>assistant\n")
        #expect(backend.requests[0].prompt.first == TinyTokenizer.turnStart)
        #expect(backend.requests[0].maxTokens == 8)
        #expect(backend.requests[0].sampling.temperature == 1)
    }

    @Test func aStreamBeginsWithTheRoleAndEndsWithDone() async throws {
        let reply = try await TestServer.answer(try FakeBackend(), path, "{\(user),\"stream\":true}")
        let head = #"data: {"id":"ID","object":"chat.completion.chunk","created":0,"model":"tiny","choices":["#
        func piece(_ delta: String, _ reason: String) -> String {
            head + #"{"index":0,"delta":\#(delta),"logprobs":null,"finish_reason":\#(reason)}]}"#
        }
        #expect(
            reply.frames == [
                piece(#"{"role":"assistant","content":""}"#, "null"), piece(#"{"content":"hell"}"#, "null"),
                piece(#"{"content":"o"}"#, "null"), piece("{}", #""stop""#), "data: [DONE]", "",
            ])
        #expect(reply.headers[.cacheControl] == "no-cache")
    }

    @Test func usageComesLastIfItIsAskedFor() async throws {
        let reply = try await TestServer.answer(
            try FakeBackend(), path, "{\(user),\"stream\":true,\"stream_options\":{\"include_usage\":true},\"n\":2}")
        let frames = reply.frames
        #expect(frames.count == 2 + 2 * 3 + 3)
        #expect(frames[0].contains(#""usage":null"#))
        #expect(frames[frames.count - 3].contains(#""choices":[],"usage":{"prompt_tokens":"#))
        #expect(frames[frames.count - 3].contains(#""completion_tokens":4,"#))
    }

    @Test func silenceIsFilledWithComments() async throws {
        let tokenizer = try TinyTokenizer.make()
        let backend = try FakeBackend { request, _ in
            [.pause(.milliseconds(400))] + FakeBackend.say("x", tokenizer, request)
        }
        let reply = try await TestServer.answer(backend, path, "{\(user),\"stream\":true}") {
            $0.pingInterval = .milliseconds(50)
        }
        #expect(reply.frames[0].contains("assistant"))
        #expect(reply.frames[1] == ": ping")
        #expect(reply.frames.suffix(2) == ["data: [DONE]", ""])
    }

    @Test func probabilitiesHaveTokensAndBytes() async throws {
        let reply = try await TestServer.answer(
            try FakeBackend(), path, "{\(user),\"logprobs\":true,\"top_logprobs\":2,\"max_tokens\":1}")
        let entry = try #require(try reply.json["choices"]?[0]?["logprobs"]?["content"]?[0])
        #expect(entry["token"] == "hell")
        #expect(entry["bytes"] == [104, 101, 108, 108])
        guard case .array(let top)? = entry["top_logprobs"] else { return }
        #expect(top.count == 2)
        #expect(try reply.json["choices"]?[0]?["finish_reason"] == "length")
    }

    @Test func anErrorWithinAStreamIsAnEvent() async throws {
        let backend = try FakeBackend { request, _ in
            [.fail(ServingError(.deadline, received: "a request of 1 s", remedy: "ask for less"))]
        }
        let reply = try await TestServer.answer(backend, path, "{\(user),\"stream\":true}")
        #expect(
            reply.frames.suffix(3) == [
                #"data: {"error":{"message":"a request of 1 s: ask for less","type":"timeout_error","param":null,"#
                    + #""code":"deadline_exceeded"}}"#, "data: [DONE]", "",
            ])
    }

    @Test func toolsAreWrittenIntoThePromptAndCallsAreRead() async throws {
        let tokenizer = try TinyTokenizer.make()
        let call =
            "Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>"
        let backend = try FakeBackend { request, _ in FakeBackend.say(call, tokenizer, request) }
        let tools =
            #""tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]"#
        let reply = try await TestServer.answer(backend, path, "{\(user),\(tools)}")
        let choice = try #require(try reply.json["choices"]?[0])
        #expect(choice["finish_reason"] == "tool_calls")
        #expect(choice["message"]?["content"] == "Let me see.")
        let function = choice["message"]?["tool_calls"]?[0]?["function"]
        #expect(function == ["name": "weather", "arguments": "{\"city\": \"Oslo\"}"])
        let prompt = tokenizer.decode(backend.requests[0].prompt, skipSpecial: false)
        #expect(prompt.hasPrefix("<|im_start|>system\n# Tools\n"))
        #expect(prompt.contains("<tools>\n{\"type\": \"function\", \"function\": {\"name\": \"weather\", "))

        let streamed = try await TestServer.answer(backend, path, "{\(user),\(tools),\"stream\":true}")
        let deltas = try streamed.frames.compactMap { frame -> JSONNode? in
            guard frame.hasPrefix("data: {") else { return nil }
            return try JSONNode(parsing: frame.dropFirst(6).utf8)["choices"]?[0]?["delta"]
        }
        #expect(deltas.compactMap { $0["content"]?.string }.joined() == "Let me see.")
        let calls = deltas.compactMap { $0["tool_calls"]?[0] }
        #expect(calls.first?["function"] == ["name": "weather", "arguments": ""])
        #expect(calls.compactMap { $0["function"]?["arguments"]?.string }.joined() == "{\"city\": \"Oslo\"}")
        #expect(streamed.text.contains(#""finish_reason":"tool_calls""#))
    }

    @Test func constraintsAreHandedToTheEngine() async throws {
        let backend = try FakeBackend()
        for (format, isConstrained) in [
            (#"{"type":"text"}"#, false), (#"{"type":"json_object"}"#, true),
            (#"{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"integer"}}}"#, true),
        ] {
            let reply = try await TestServer.answer(backend, path, "{\(user),\"response_format\":\(format)}")
            #expect(reply.status == 200)
            #expect((backend.requests.last?.constraint != nil) == isConstrained)
        }
    }
}
#endif

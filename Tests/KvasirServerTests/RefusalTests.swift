#if Server
import HTTPTypes
import KvasirEngine
import Testing

@testable import KvasirServer

/// Requests that are wrong: what they are told.
struct RefusalTests {
    private static let chat = "/v1/chat/completions"
    private static let text = "/v1/completions"
    private static let user = #""messages":[{"role":"user","content":"hi"}]"#

    @Test(
        "A wrong field is named",
        arguments: [
            (text, #"{"prompt":"a","temperature":"hot"}"#, "temperature", "'temperature' is a string, not a number"),
            (text, #"{"prompt":"a","temperature":-1}"#, "temperature", "'temperature' is -1"),
            (text, #"{"prompt":"a","n":0}"#, "n", "'n' is 0; give 1 to 16"),
            (text, #"{"prompt":"a","n":17}"#, "n", "'n' is 17; give 1 to 16"),
            (text, #"{"prompt":"a","max_tokens":1.5}"#, "max_tokens", "'max_tokens' is a number, not an integer"),
            (text, #"{"prompt":"a","max_tokens":0}"#, "max_tokens", "'max_tokens' is 0"),
            (text, #"{"prompt":"a","best_of":3}"#, "best_of", "'best_of' is 3"),
            (text, #"{"prompt":"a","suffix":"b"}"#, "suffix", "'suffix' is not supported"),
            (text, #"{"prompt":"a","stop":[1]}"#, "stop", "'stop[0]' is an integer, not a string"),
            (text, #"{"prompt":"a","stop":""}"#, "stop", "empty string"),
            (text, #"{"prompt":"a","logprobs":21}"#, "logprobs", "'logprobs' is 21; give 0 to 20"),
            (text, #"{"prompt":"a","logit_bias":{"x":1}}"#, "logit_bias", "names the token 'x'"),
            (text, #"{"prompt":"a","logit_bias":{"999":1}}"#, "logit_bias", "names the token '999'"),
            (text, #"{"prompt":[1,"a"]}"#, "prompt", "'prompt[1]' is a string, not a token id"),
            (text, #"{"prompt":[999]}"#, "prompt", "'prompt[0]' is 999"),
            (text, #"{"prompt":[]}"#, "prompt", "'prompt' is empty"),
            (text, #"{"prompt":""}"#, "prompt", "no tokens"),
            (text, #"{"model":"tiny"}"#, "prompt", "'prompt' is missing"),
            (text, #"{"prompt":"a","stream":1}"#, "stream", "'stream' is an integer, not a boolean"),
            (chat, #"{"model":"tiny"}"#, "messages", "'messages' is missing"),
            (chat, #"{"messages":[]}"#, "messages", "'messages' is empty"),
            (chat, #"{"messages":["x"]}"#, "messages[0]", "'messages[0]' is a string, not an object"),
            (chat, #"{"messages":[{"role":"king","content":"x"}]}"#, "messages[0].role", "'king'"),
            (
                chat, #"{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#,
                "messages[0].content[0].type", "'image_url'"
            ),
            (chat, "{\(user),\"top_logprobs\":2}", "top_logprobs", "needs 'logprobs'"),
            (chat, "{\(user),\"tool_choice\":\"required\"}", "tool_choice", "there are no tools"),
            (chat, "{\(user),\"response_format\":{\"type\":\"xml\"}}", "response_format.type", "'xml'"),
            (
                chat,
                "{\(user),\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":\"string\",\"pattern\":\"a\"}}}}",
                "response_format", "schema.pattern': this keyword is not supported"
            ),
            ("/tokenize", "{}", "content", "'content' is missing"),
            ("/detokenize", #"{"tokens":["a"]}"#, "tokens", "'tokens[0]' is a string, not a token id"),
        ])
    func aWrongFieldIsNamed(path: String, body: String, parameter: String, message: String) async throws {
        let reply = try await TestServer.answer(try FakeBackend(), path, body)
        #expect(reply.status == 400)
        let error = try #require(try reply.json["error"])
        #expect(error["type"] == "invalid_request_error")
        #expect(error["param"]?.string == parameter)
        #expect(error["message"]?.string?.contains(message) == true, "\(error)")
    }

    @Test(
        "Fields about the cache are refused, others ignored",
        arguments: [
            ("cache", true), ("cache_type_k", true), ("kv_cache_dtype", true), ("cache-type-v", true), ("ctk", true),
            ("kv_transfer_params", true), ("cacheless", false), ("user", false), ("prompt_cache_key", false),
        ])
    func cacheFields(name: String, isRefused: Bool) async throws {
        let reply = try await TestServer.answer(try FakeBackend(), Self.text, #"{"prompt":"a","\#(name)":"q4_0"}"#)
        #expect(reply.status == (isRefused ? 400 : 200))
        if isRefused {
            #expect(try reply.json["error"]?["param"]?.string == name)
            #expect(try reply.json["error"]?["message"]?.string?.contains("GET /props") == true)
        }
    }

    @Test func noJSONIsToldWhere() async throws {
        let reply = try await TestServer.answer(try FakeBackend(), Self.text, #"{"prompt": "a",}"#)
        #expect(reply.status == 400)
        #expect(
            reply.text
                == #"{"error":{"message":"the body is not valid JSON at byte 15: expected a string","#
                + #""type":"invalid_request_error","param":null,"code":"invalid_json"}}"#)
        #expect(try await TestServer.answer(try FakeBackend(), Self.text, "[1]").status == 400)
        #expect(try await TestServer.answer(try FakeBackend(), Self.text, "").status == 400)
    }

    @Test func otherModelsAndAddressesAreNotFound() async throws {
        let reply = try await TestServer.answer(try FakeBackend(), Self.text, #"{"prompt":"a","model":"gpt-5"}"#)
        #expect(reply.status == 404)
        #expect(try reply.json["error"]?["code"] == "model_not_found")
        let address = try await TestServer.answer(try FakeBackend(), .get, "/v2/nothing")
        #expect(address.status == 404)
        #expect(try address.json["error"]?["code"] == "not_found")
    }

    @Test func whatDoesNotFitIsToldInNumbers() async throws {
        let backend = try FakeBackend(tokenCapacity: 8)
        let reply = try await TestServer.answer(backend, Self.text, #"{"prompt":"aaaaa","max_tokens":4}"#)
        #expect(reply.status == 400)
        #expect(try reply.json["error"]?["code"] == "context_length_exceeded")
        #expect(
            try reply.json["error"]?["message"]?.string
                == "a prompt of 5 tokens and an answer of up to 4 does not fit: prompt and answer together may have 8")
        #expect(backend.requests.isEmpty)
        let long = try await TestServer.answer(try FakeBackend(), Self.text, #"{"prompt":"aaaaa","max_tokens":4}"#) {
            $0.limits.promptTokens = 4
        }
        #expect(try long.json["error"]?["message"]?.string?.contains("prompts may have 4") == true)
    }

    @Test(
        "What the engine says becomes a status",
        arguments: [
            (ServingError.Reason.invalidRequest, 400), (.tooLarge, 400), (.busy, 429), (.deadline, 504),
            (.shutDown, 503),
        ])
    func statuses(reason: ServingError.Reason, status: Int) async throws {
        let backend = try FakeBackend()
        backend.refuse([ServingError(reason, received: "a request", remedy: "do otherwise")])
        let reply = try await TestServer.answer(backend, Self.text, #"{"prompt":"a"}"#)
        #expect(reply.status == status)
        #expect(try reply.json["error"] != nil)
    }

    @Test func aFailureOfTheEngineKeepsItsReasonsToItself() async throws {
        struct Secret: Error {}
        let backend = try FakeBackend { _, _ in [.fail(Secret())] }
        let reply = try await TestServer.answer(backend, Self.text, #"{"prompt":"a"}"#)
        #expect(reply.status == 500)
        #expect(!reply.text.contains("Secret"))
    }

    @Test func aModelWithoutTemplateSaysSo() async throws {
        let reply = try await TestServer.answer(try FakeBackend(hasTemplate: false), Self.chat, "{\(Self.user)}")
        #expect(reply.status == 400)
        #expect(try reply.json["error"]?["code"] == "no_chat_template")
    }
}
#endif

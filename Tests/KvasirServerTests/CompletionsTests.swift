#if Server
import HTTPTypes
import KvasirEngine
import KvasirTokenizers
import Testing

@testable import KvasirServer

struct CompletionsTests {
    private let path = "/v1/completions"

    @Test func aTextIsContinued() async throws {
        let backend = try FakeBackend()
        let reply = try await TestServer.answer(backend, path, #"{"model": "tiny", "prompt": "a b", "temperature": 0}"#)
        #expect(reply.status == 200)
        #expect(reply.headers[.contentType] == "application/json; charset=utf-8")
        #expect(
            reply.stable
                == #"{"id":"ID","object":"text_completion","created":0,"model":"tiny","choices":[{"index":0,"#
                + #""text":"hello","logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"#
                + #""completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":1}}}"#)
        let request = try #require(backend.requests.first)
        #expect(request.prompt == [0x61, 0x20, 0x62].map(TinyTokenizer.id))
        #expect(request.maxTokens == 16)
        #expect(request.sampling.isGreedy)
        #expect(request.topLogProbabilities == nil)
    }

    @Test func allSamplingFieldsArrive() async throws {
        let backend = try FakeBackend()
        _ = try await TestServer.answer(
            backend, path,
            #"{"prompt":"a","max_tokens":3,"temperature":0.5,"top_p":0.9,"top_k":5,"min_p":0.1,"seed":-1,"#
                + #""frequency_penalty":0.25,"presence_penalty":-0.5,"repetition_penalty":1.25,"#
                + #""logit_bias":{"5":-100},"stop":["x","yz"],"n":2,"ignore_eos":true,"user":"me","logprobs":null}"#)
        #expect(backend.requests.count == 2)
        let request = try #require(backend.requests.last)
        let sampling = request.sampling
        #expect(sampling.temperature == 0.5 && sampling.topP == 0.9 && sampling.topK == 5 && sampling.minP == 0.1)
        #expect(sampling.frequencyPenalty == 0.25 && sampling.presencePenalty == -0.5)
        #expect(sampling.repetitionPenalty == 1.25 && sampling.logitBias == [5: -100])
        // The second answer's own seed: the first one's and 1.
        #expect(sampling.seed == 0 && backend.requests.first?.sampling.seed == .max)
        #expect(request.stops.strings == ["x", "yz"])
        #expect(request.maxTokens == 3 && !request.endsAtEndOfText)
    }

    @Test func promptsComeAsTextOrTokensOneOrMany() async throws {
        let a = TinyTokenizer.id(0x61)
        let b = TinyTokenizer.id(0x62)
        for (prompt, expected) in [
            (#""ab""#, [[a, b]]), (#"["a","b"]"#, [[a], [b]]), ("[\(a),\(b)]", [[a, b]]),
            ("[[\(a)],[\(b),\(a)]]", [[a], [b, a]]),
        ] {
            let backend = try FakeBackend()
            let reply = try await TestServer.answer(backend, path, #"{"prompt": \#(prompt), "max_tokens": 1}"#)
            #expect(reply.status == 200)
            #expect(Set(backend.requests.map(\.prompt)) == Set(expected))
        }
    }

    @Test func answersAreNumberedPromptByPrompt() async throws {
        let tokenizer = try TinyTokenizer.make()
        let backend = try FakeBackend { request, index in
            // The first prompts take longest.
            [.pause(.milliseconds(max(40 - 10 * index, 0)))]
                + FakeBackend.say(tokenizer.decode(request.prompt) + "!", tokenizer, request)
        }
        let reply = try await TestServer.answer(backend, path, #"{"prompt": ["a", "b"], "n": 2}"#)
        guard case .array(let choices)? = try reply.json["choices"] else {
            Issue.record("no choices")
            return
        }
        #expect(choices.map { $0["text"]?.string } == ["a!", "a!", "b!", "b!"])
        #expect(choices.map { $0["index"] } == [0, 1, 2, 3])
        // A prompt with several answers counts once.
        #expect(try reply.json["usage"]?["prompt_tokens"] == 2)
        #expect(try reply.json["usage"]?["completion_tokens"] == 8)
    }

    @Test func promptsBeyondTheQueueWaitForTheEarlierOnes() async throws {
        let backend = try FakeBackend()
        let busy = ServingError(.busy, received: "a request", remedy: "try again")
        let reply = try await TestServer.answer(backend, path, #"{"prompt": ["a", "b", "c", "d", "e"]}"#) {
            $0.limits.concurrentChoices = 2
        }
        #expect(reply.status == 200)
        #expect(backend.requests.count == 5)
        // Only the first may be turned away.
        backend.refuse([busy])
        let refused = try await TestServer.answer(backend, path, #"{"prompt": ["a", "b"]}"#)
        #expect(refused.status == 429)
        #expect(refused.headers[.retryAfter] == "1")
    }

    @Test func aStreamIsTheSameInPieces() async throws {
        let reply = try await TestServer.answer(
            try FakeBackend(), path,
            #"{"prompt": "a", "stream": true, "echo": true, "stream_options": {"include_usage": true}}"#)
        #expect(reply.headers[.contentType] == "text/event-stream; charset=utf-8")
        let head = #"data: {"id":"ID","object":"text_completion","created":0,"model":"tiny","choices":["#
        func piece(_ text: String, _ reason: String) -> String {
            head + #"{"index":0,"text":"\#(text)","logprobs":null,"finish_reason":\#(reason)}],"usage":null}"#
        }
        #expect(
            reply.frames == [
                piece("a", "null"), piece("hell", "null"), piece("o", "null"), piece("", #""stop""#),
                head + #"],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"#
                    + #""prompt_tokens_details":{"cached_tokens":1}}}"#, "data: [DONE]", "",
            ])
    }

    @Test func promptsAreScoredAsEvaluationHarnessesReadIt() async throws {
        let reply = try await TestServer.answer(
            try FakeBackend(), path,
            #"{"prompt": "ab", "max_tokens": 1, "logprobs": 1, "echo": true, "temperature": 0}"#)
        let choice = try #require(try reply.json["choices"]?[0])
        let lists = try #require(choice["logprobs"])
        #expect(choice["text"] == "abhell")
        #expect(lists["tokens"] == ["a", "b", "hell"])
        #expect(lists["text_offset"] == [0, 1, 2])
        guard case .array(let values)? = lists["token_logprobs"], case .array(let tops)? = lists["top_logprobs"] else {
            Issue.record("no lists")
            return
        }
        #expect(values.count == 3 && tops.count == 3)
        #expect(values[0] == .null && tops[0] == .null)
        // 'b' has an odd id: another token is likelier, and both are listed.
        guard case .object(let b) = tops[1] else { return }
        #expect(b.count == 2)
        #expect(b.map(\.name).contains("b"))
        #expect(tops[1]["b"] == values[1])
        guard case .number(let first) = b[0].value, case .number(let second) = b[1].value else { return }
        #expect(first > second)
    }

    @Test func theBeginningOfTextThatIsAddedHasNoPlaceInTheText() async throws {
        let reply = try await TestServer.answer(
            try FakeBackend(addsBOS: true), path, #"{"prompt": "ab", "max_tokens": 0, "logprobs": 0, "echo": true}"#)
        let choice = try #require(try reply.json["choices"]?[0])
        #expect(choice["text"] == "ab")
        #expect(choice["logprobs"]?["tokens"] == ["<|endoftext|>", "a", "b"])
        #expect(choice["logprobs"]?["text_offset"] == [0, 0, 1])
        #expect(choice["finish_reason"] == "length")
    }

    @Test func tokensThatArePartsOfCharactersHaveNamesOfTheirOwn() async throws {
        let tokenizer = try TinyTokenizer.make()
        let backend = try FakeBackend { FakeBackend.say("é", tokenizer, $0, cached: $1) }
        let reply = try await TestServer.answer(backend, path, #"{"prompt": "a", "logprobs": 0}"#)
        let choice = try #require(try reply.json["choices"]?[0])
        #expect(choice["text"] == "é")
        #expect(choice["logprobs"]?["tokens"] == ["bytes:\\xc3", "bytes:\\xa9"])
        #expect(choice["logprobs"]?["text_offset"] == [0, 0])
    }
}
#endif

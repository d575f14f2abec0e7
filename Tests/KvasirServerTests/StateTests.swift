#if Server
import HTTPTypes
import KvasirCache
import KvasirEngine
import Testing

@testable import KvasirServer

/// What the server says of itself.
struct StateTests {
    @Test func healthIsToldBeforeAndAfterLoading() async throws {
        let before = try await TestServer.answer(nil, .get, "/health")
        #expect(before.status == 503)
        #expect(before.text == #"{"status":"loading"}"#)
        let after = try await TestServer.answer(try FakeBackend(), .get, "/health")
        #expect(after.status == 200)
        #expect(after.text == #"{"status":"ok"}"#)
        for path in ["/v1/models", "/props", "/stats"] {
            let reply = try await TestServer.answer(nil, .get, path)
            #expect(reply.status == 503)
            #expect(reply.headers[.retryAfter] == "5")
        }
        #expect(try await TestServer.answer(nil, .get, "/metrics").status == 200)
    }

    @Test func thereIsOneModel() async throws {
        let list = try await TestServer.answer(try FakeBackend(), .get, "/v1/models")
        #expect(
            list.stable
                == #"{"object":"list","data":[{"id":"tiny","object":"model","created":0,"owned_by":"kvasir","max_model_len":512}]}"#
        )
        let one = try await TestServer.answer(try FakeBackend(), .get, "/v1/models/tiny")
        #expect(try one.json["id"] == "tiny")
        #expect(try await TestServer.answer(try FakeBackend(), .get, "/v1/models/a/b").status == 404)
    }

    @Test func textBecomesTokensAndBack() async throws {
        let tokens = try await TestServer.answer(try FakeBackend(), "/tokenize", #"{"content":"hello<|im_end|>"}"#)
        #expect(tokens.text == #"{"tokens":[261,114,2]}"#)
        let pieces = try await TestServer.answer(
            try FakeBackend(addsBOS: true), "/tokenize", #"{"content":"é","add_special":true,"with_pieces":true}"#)
        #expect(
            pieces.text
                == #"{"tokens":[{"id":0,"piece":"<|endoftext|>"},{"id":198,"piece":[195]},{"id":172,"piece":[169]}]}"#)
        let plain = try await TestServer.answer(
            try FakeBackend(), "/tokenize", #"{"content":"<|im_end|>","parse_special":false}"#)
        #expect(try plain.json["tokens"]?[1] != nil)
        let text = try await TestServer.answer(try FakeBackend(), "/detokenize", #"{"tokens":[261,114,2]}"#)
        #expect(text.text == #"{"content":"hello<|im_end|>","prompt":"hello<|im_end|>"}"#)
    }

    @Test func evaluationHarnessesFindTheTokenizer() async throws {
        let backend = try FakeBackend(addsBOS: true)
        let info = try await TestServer.answer(backend, .get, "/tokenizer_info")
        #expect(
            info.text
                == #"{"bos_token":"<|endoftext|>","eos_token":"<|endoftext|>","pad_token":null,"unk_token":null,"#
                + #""add_bos_token":true,"add_eos_token":false}"#)
        let tokens = try await TestServer.answer(
            backend, "/tokenize", #"{"prompt":"hello<|endoftext|>","add_special_tokens":false}"#)
        #expect(tokens.text == #"{"count":3,"max_model_len":512,"tokens":[261,114,0]}"#)
        let special = try await TestServer.answer(backend, "/tokenize", #"{"prompt":"a"}"#)
        #expect(try special.json["count"] == 2)
    }

    @Test func propsAreThePlan() async throws {
        let backend = try FakeBackend()
        let props = try await TestServer.answer(backend, .get, "/props").json
        #expect(props["model"] == "tiny")
        #expect(props["budget"] == .integer(1 << 20))
        #expect(props["chatTemplate"] == "ChatML")
        let plan = try #require(props["plan"])
        #expect(plan["cache"]?["configuration"]?.string == backend.description.plan.configuration.description)
        #expect(plan["bytesPerToken"] == .number(backend.description.plan.bytesPerToken))
        #expect(plan["layers"]?[0]?["keys"]?["codec"]?.string == backend.description.plan.layers[0].keyName)
        #expect(plan["layers"]?[0]?["keys"]?["window"]?["recent"] == 64)
    }

    @Test func statisticsAreTheEngines() async throws {
        let backend = try FakeBackend()
        var statistics = ServingStatistics()
        statistics.running = 3
        statistics.sequenceBytes = 4096
        backend.statistics = statistics
        let stats = try await TestServer.answer(backend, .get, "/stats").json
        #expect(stats["running"] == 3)
        #expect(stats["sequenceBytes"] == 4096)
    }

    @Test func thePageNeedsNothingFromElsewhere() async throws {
        let page = try await TestServer.answer(try FakeBackend(), .get, "/")
        #expect(page.status == 200)
        #expect(page.headers[.contentType] == "text/html; charset=utf-8")
        let policy = try #require(page.headers[.contentSecurityPolicy])
        #expect(policy.contains("default-src 'none'") && !policy.contains("unsafe"))
        for path in ["/", "/page.js", "/page.css"] {
            let text = try await TestServer.answer(try FakeBackend(), .get, path).text
            #expect(!text.isEmpty)
            #expect(!text.contains("http://") && !text.contains("https://") && !text.contains("//cdn"))
        }
        // Nothing inline, which the policy would not run.
        #expect(!page.text.contains("onclick") && !page.text.contains("style=") && !page.text.contains("<style"))
    }
}
#endif

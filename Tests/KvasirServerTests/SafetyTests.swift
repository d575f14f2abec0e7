#if Server
import Foundation
import HTTPTypes
import HummingbirdTesting
import KvasirEngine
import Testing

@testable import KvasirServer

struct SafetyTests {
    private let request = #"{"prompt":"a"}"#

    @Test func othersNeedAKey() throws {
        for host in ["0.0.0.0", "::", "192.168.1.2", "example.org", "127.evil.example"] {
            var settings = ServerSettings()
            settings.host = host
            let error = #expect(throws: ServerError.self) { try settings.validate() }
            #expect(error?.reason == .unprotected)
            settings.apiKey = "secret"
            try settings.validate()
            settings.apiKey = nil
            settings.allowsNetworkWithoutKey = true
            try settings.validate()
        }
        for host in ["127.0.0.1", "localhost", "::1", "127.1.2.3"] {
            var settings = ServerSettings()
            settings.host = host
            try settings.validate()
        }
        var settings = ServerSettings()
        settings.apiKey = "two words"
        #expect(throws: ServerError.self) { try settings.validate() }
        settings.apiKey = nil
        settings.port = 70000
        #expect(throws: ServerError.self) { try settings.validate() }
    }

    @Test func withoutTheKeyThereIsNothing() async throws {
        let backend = try FakeBackend()
        func status(_ path: String, _ authorization: String?) async throws -> Int {
            let headers: HTTPFields = authorization.map { [.authorization: $0] } ?? [:]
            return try await TestServer.answer(backend, .get, path, headers: headers) { $0.apiKey = "secret" }.status
        }
        for path in ["/v1/models", "/props", "/stats", "/metrics", "/nothing"] {
            #expect(try await status(path, nil) == 401)
        }
        for wrong in ["Bearer secre", "Bearer secret2", "Bearer ", "secret", "Basic secret", "Bearer secrex"] {
            #expect(try await status("/v1/models", wrong) == 401)
        }
        #expect(try await status("/v1/models", "Bearer secret") == 200)
        #expect(try await status("/v1/models", "bearer secret") == 200)
        for open in ["/health", "/", "/page.js", "/page.css"] { #expect(try await status(open, nil) == 200) }
        let refused = try await TestServer.answer(backend, .get, "/props") { $0.apiKey = "secret" }
        #expect(try refused.json["error"]?["code"] == "invalid_api_key")
        #expect(refused.headers[.wwwAuthenticate] == "Bearer")
    }

    @Test func keysAreComparedAsAWhole() {
        let key = Array("secret".utf8)
        #expect(KeyMiddleware.areEqual(key, key))
        for other in ["", "s", "secreT", "secretsecret", "Secret", "secre"] {
            #expect(!KeyMiddleware.areEqual(Array(other.utf8), key))
        }
    }

    @Test func pagesOfOthersAreKeptOut() async throws {
        let backend = try FakeBackend()
        let origin: HTTPFields = [.origin: "https://chat.example"]
        let refused = try await TestServer.answer(backend, "/v1/completions", request, headers: origin)
        #expect(refused.status == 403)
        #expect(backend.requests.isEmpty)
        let allowed = try await TestServer.answer(backend, "/v1/completions", request, headers: origin) {
            $0.allowedOrigins = ["https://chat.example"]
        }
        #expect(allowed.status == 200)
        #expect(allowed.headers[.accessControlAllowOrigin] == "https://chat.example")
        let preflight = try await TestServer.answer(backend, .options, "/v1/completions", headers: origin) {
            $0.allowedOrigins = ["https://chat.example"]
            $0.apiKey = "secret"
        }
        #expect(preflight.status == 204)
        #expect(preflight.headers[.accessControlAllowHeaders] == "authorization, content-type")
        let own = try await TestServer.answer(
            backend, "/v1/completions", request, headers: [.origin: "http://localhost"])
        #expect(own.status == 200)
        #expect(own.headers[.accessControlAllowOrigin] == nil)
    }

    @Test func aNameThatWasMadeToPointHereIsRefused() async throws {
        try await TestServer.application(try FakeBackend()).test(.live) { client in
            let port = try #require(client.port)
            for (host, status) in [("evil.example", "403"), ("localhost:\(port)", "200"), ("127.0.0.1", "200")] {
                let raw = try RawClient(port: port)
                try raw.send("GET /v1/models HTTP/1.1\r\nhost: \(host)\r\n\r\n")
                #expect(await raw.receive().hasPrefix("HTTP/1.1 \(status) "))
            }
        }
    }

    @Test func aBodyThatIsTooLargeIsNotRead() async throws {
        let body = #"{"prompt":"\#(String(repeating: "a", count: 2000))"}"#
        let reply = try await TestServer.answer(try FakeBackend(), "/v1/completions", body) {
            $0.limits.bodyBytes = 1000
        }
        #expect(reply.status == 413)
        #expect(try reply.json["error"]?["code"] == "body_too_large")
        // Without its length beforehand.
        try await TestServer.application(try FakeBackend()) { $0.limits.bodyBytes = 1000 }.test(.live) { client in
            let raw = try RawClient(port: try #require(client.port))
            try raw.send(
                "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
                    + "7d0\r\n\(String(repeating: " ", count: 2000))\r\n0\r\n\r\n")
            #expect(await raw.receive().hasPrefix("HTTP/1.1 413 "))
        }
    }

    @Test(
        arguments: [
            #""stop":["a","b","c"]"#, #""stop":"abcd""#, #""n":3"#, #""logprobs":2"#, #""prompt":["a","b"]"#,
        ])
    func limitsHold(field: String) async throws {
        let body = "{\(field.contains("prompt") ? "" : "\"prompt\":\"a\",")\(field)}"
        let strict = try await TestServer.answer(try FakeBackend(), "/v1/completions", body) {
            $0.limits.stops = 2
            $0.limits.stopBytes = 3
            $0.limits.choices = 2
            $0.limits.topLogProbabilities = 1
            $0.limits.prompts = 1
        }
        #expect(strict.status == 400)
        #expect(try await TestServer.answer(try FakeBackend(), "/v1/completions", body).status == 200)
    }

    @Test("A client that goes ends its request, whatever it waits for", arguments: [true, false], [true, false])
    func clientsThatGo(streams: Bool, duringPrompt: Bool) async throws {
        let tokenizer = try TinyTokenizer.make()
        let backend = try FakeBackend { request, _ in
            duringPrompt ? [.hang] : Array(FakeBackend.say("x", tokenizer, request).prefix(2)) + [.hang]
        }
        try await TestServer.application(backend).test(.live) { client in
            let raw = try RawClient(port: try #require(client.port))
            try raw.post("/v1/chat/completions", #"{"messages":[{"role":"user","content":"a"}],"stream":\#(streams)}"#)
            #expect(await eventually { backend.requests.count == 1 })
            if streams { #expect(await raw.receives("assistant")) }
            #expect(backend.cancelled == 0)
            raw.closeNow()
            #expect(await eventually { backend.cancelled == 1 })
        }
    }

    @Test func aConnectionServesSeveralRequests() async throws {
        try await TestServer.application(try FakeBackend()).test(.live) { client in
            let raw = try RawClient(port: try #require(client.port))
            for _ in 0..<3 {
                try raw.post("/v1/completions", request)
                #expect(await raw.receives("hello"))
            }
        }
    }

    @Test func aSlowHeaderIsNotWaitedFor() async throws {
        try await TestServer.application(try FakeBackend()) { $0.limits.headerTime = .milliseconds(200) }
            .test(.live) { client in
                let raw = try RawClient(port: try #require(client.port))
                try raw.send("GET /health HT")
                #expect(await raw.receive().isEmpty)
            }
    }

    @Test func theLongestIdleConnectionMakesWay() async throws {
        let backend = try FakeBackend { _, _ in [.hang] }
        try await TestServer.application(backend) {
            $0.limits.connections = 4
            $0.limits.headerTime = .seconds(60)
        }.test(.live) { client in
            let port = try #require(client.port)
            let busy = try RawClient(port: port)
            try busy.post("/v1/completions", request)
            #expect(await eventually { backend.requests.count == 1 })
            let idle = try (0..<8).map { _ in try RawClient(port: port) }
            // Nothing ever comes of those that were there first but their end.
            for connection in idle.prefix(4) { #expect(await connection.receive().isEmpty) }
            let late = try RawClient(port: port)
            try late.send("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            #expect(await late.receives("ok"))
            #expect(backend.cancelled == 0)
        }
    }

    @Test func aSlowBodyIsNotWaitedFor() async throws {
        try await TestServer.application(try FakeBackend()) { $0.limits.bodyTime = .milliseconds(200) }
            .test(.live) { client in
                let raw = try RawClient(port: try #require(client.port))
                try raw.send("POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
                #expect(await raw.receive().hasPrefix("HTTP/1.1 408 "))
            }
    }

    @Test func whatIsNoHTTPIsRefused() async throws {
        try await TestServer.application(try FakeBackend()).test(.live) { client in
            let raw = try RawClient(port: try #require(client.port))
            try raw.send("\u{16}\u{3}\u{1} this is no HTTP\r\n\r\n")
            #expect(await raw.receive().hasPrefix("HTTP/1.1 400 "))
            try await client.execute(uri: "/health", method: .get) { #expect($0.status == .ok) }
        }
    }
}
#endif

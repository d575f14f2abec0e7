#if Server
import HTTPTypes
import KvasirEngine
import Synchronization
import Testing

@testable import KvasirServer

/// Sessions over HTTP, with an engine that is made up.
struct SessionsTests {
    /// Sessions that are nowhere.
    final class FakeSessions: ServingSessions {
        struct State {
            var saved: [(SessionName, [Int32]?)] = []
            var failure: SessionError?
        }
        let state = Mutex(State())

        func fail(_ error: SessionError) { state.withLock { $0.failure = error } }
        private func check() throws(SessionError) { if let failure = state.withLock({ $0.failure }) { throw failure } }

        func save(_ name: SessionName, tokens: [Int32]?) async throws(SessionError) -> SavedSession {
            try check()
            state.withLock { $0.saved.append((name, tokens)) }
            return SavedSession(record: .init(name: name, tokens: 64, bytes: 1000), sequenceTokens: 70)
        }
        func restore(_ name: SessionName) async throws(SessionError) -> SessionRecord {
            try check()
            return .init(name: name, tokens: 64, bytes: 1000)
        }
        func erase(_ name: SessionName) async throws(SessionError) { try check() }
        func list() async -> [SessionRecord] {
            state.withLock { $0.saved.map { .init(name: $0.0, tokens: 64, bytes: 1000) } }
        }
    }

    private func backend(_ sessions: FakeSessions?) throws -> FakeBackend {
        let backend = try FakeBackend()
        backend.fakeSessions = sessions
        return backend
    }

    @Test func aSessionIsSavedRestoredAndErased() async throws {
        let sessions = FakeSessions()
        let backend = try backend(sessions)
        let saved = try await TestServer.answer(backend, "/sessions/talk?action=save", "")
        #expect(saved.status == 200)
        #expect(
            try saved.json["session"] == "talk" && saved.json["tokens"] == 64 && saved.json["sequence_tokens"] == 70)
        #expect(sessions.state.withLock { $0.saved.first?.1 } == .some(nil))
        #expect(backend.requests.isEmpty)
        let list = try await TestServer.answer(backend, .get, "/sessions")
        #expect(list.text == #"{"sessions":[{"session":"talk","tokens":64,"bytes":1000}]}"#)
        let restored = try await TestServer.answer(backend, "/sessions/talk?action=restore", "{}")
        #expect(try restored.status == 200 && restored.json["bytes"] == 1000)
        let erased = try await TestServer.answer(backend, "/sessions/talk?action=erase", "{}")
        #expect(erased.text == #"{"session":"talk","erased":true}"#)
    }

    /// A prompt that is to be saved is computed first, and no answer to it.
    @Test func aPromptIsComputedAndSaved() async throws {
        let sessions = FakeSessions()
        let backend = try backend(sessions)
        let saved = try await TestServer.answer(backend, "/sessions/a?action=save", #"{"prompt":"hello"}"#)
        #expect(saved.status == 200)
        #expect(backend.requests.count == 1 && backend.requests[0].maxTokens == 0)
        #expect(sessions.state.withLock { $0.saved.first?.1 } == backend.requests[0].prompt)
        let chat = try await TestServer.answer(
            backend, "/sessions/a?action=save", #"{"messages":[{"role":"user","content":"hello"}]}"#)
        #expect(chat.status == 200 && backend.requests.count == 2)
        let many = try await TestServer.answer(backend, "/sessions/a?action=save", #"{"prompt":["a","b"]}"#)
        #expect(many.status == 400)
    }

    @Test func requestsNameTheirSession() async throws {
        let backend = try backend(FakeSessions())
        _ = try await TestServer.answer(backend, "/v1/completions", #"{"prompt":"a","session":"talk"}"#)
        _ = try await TestServer.answer(
            backend, "/v1/chat/completions", #"{"messages":[{"role":"user","content":"a"}],"session":"talk"}"#)
        #expect(backend.requests.map(\.session?.text) == ["talk", "talk"])
        for body in [
            #"{"prompt":"a","session":"../talk"}"#, #"{"prompt":"a","session":"t","n":2}"#,
            #"{"prompt":["a","b"],"session":"t"}"#, #"{"prompt":"a","session":5}"#,
        ] {
            let reply = try await TestServer.answer(backend, "/v1/completions", body)
            #expect(try reply.status == 400 && reply.json["error"]?["param"] == "session", "\(body)")
        }
        #expect(backend.requests.count == 2)
    }

    @Test func wrongRequestsAreRefused() async throws {
        let backend = try backend(FakeSessions())
        for (path, status) in [
            ("/sessions/talk", 400), ("/sessions/talk?action=format", 400), ("/sessions/.talk?action=erase", 400),
            ("/sessions/%2e%2e?action=erase", 400), ("/sessions/a%2Fb?action=erase", 400),
            ("/sessions/a/b?action=erase", 404),
        ] {
            #expect(try await TestServer.answer(backend, path, "").status == status, "\(path)")
        }
        let without = try await TestServer.answer(try self.backend(nil), "/sessions/talk?action=save", "")
        #expect(try without.status == 501 && without.json["error"]?["code"] == "no_sessions")
        let named = try await TestServer.answer(
            try self.backend(nil), "/v1/completions", #"{"prompt":"a","session":"talk"}"#)
        #expect(named.status == 501)
        let keyed = try await TestServer.answer(backend, "/sessions/talk?action=erase", "") { $0.apiKey = "secret" }
        #expect(keyed.status == 401)
    }

    @Test func whatGoesWrongHasItsStatus() async throws {
        let sessions = FakeSessions()
        let backend = try backend(sessions)
        for (reason, status, code) in [
            (.notFound, 404, "session_not_found"), (.mismatch, 409, "session_mismatch"),
            (.damaged, 422, "session_damaged"), (.noSpace, 507, "disk_full"), (.overBudget, 503, "cache_full"),
            (.unwritable, 500, "session_unusable"), (.nothingToSave, 409, "nothing_to_save"),
        ] as [(SessionError.Reason, Int, String)] {
            sessions.fail(SessionError(reason, received: "this", remedy: "do that"))
            let reply = try await TestServer.answer(backend, "/sessions/talk?action=restore", "")
            #expect(reply.status == status)
            #expect(try reply.json["error"]?["code"] == .string(code))
            #expect(try reply.json["error"]?["message"] == "this: do that")
        }
    }

    /// A text that cannot fit is refused by its bytes, before it is taken apart.
    @Test func longTextsAreRefusedUnread() async throws {
        let backend = try FakeBackend()
        let text = String(repeating: "a", count: 512 * backend.description.longestTokenBytes)
        for body in [#"{"prompt":"\#(text)a"}"#, #"{"messages":[{"role":"user","content":"\#(text)"}]}"#] {
            let path = body.hasPrefix("{\"prompt") ? "/v1/completions" : "/v1/chat/completions"
            let reply = try await TestServer.answer(backend, path, body)
            #expect(reply.status == 400)
            #expect(try reply.json["error"]?["code"] == "context_length_exceeded")
            #expect(reply.text.contains("bytes does not fit"))
        }
        let counted = try await TestServer.answer(backend, "/v1/completions", #"{"prompt":"\#(text)"}"#)
        #expect(counted.status == 400 && counted.text.contains("tokens"))
    }
}
#endif

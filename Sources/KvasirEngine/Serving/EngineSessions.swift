internal import Foundation
internal import KvasirCache
internal import KvasirCodecs

/// The sessions of a serving engine: the serving thread says which pages there are and takes pages in, one queue of its own
/// reads and writes files, so that no step waits for a disk.
final class EngineSessions: ServingSessions {
    private let store: SessionStore
    private let identity: SessionIdentity
    private let plan: CachePlan
    private let vocabularySize: Int
    private let mailbox: Mailbox
    private let queue = DispatchQueue(label: "kvasir-sessions", qos: .utility)

    init(
        _ store: SessionStore, identity: SessionIdentity, plan: CachePlan, vocabularySize: Int, mailbox: Mailbox
    ) {
        self.store = store
        self.identity = identity
        self.plan = plan
        self.vocabularySize = vocabularySize
        self.mailbox = mailbox
    }

    func save(_ name: SessionName, tokens: [Int32]?) async throws(SessionError) -> SavedSession {
        let found = try await onServingThread { .snapshot(name, tokens: tokens, $0) }
        guard found.pages.tokens > 0 else {
            throw SessionError(
                .nothingToSave,
                received: "session '\(name)': of its \(found.tokens.count) tokens no whole page is cached",
                remedy: found.tokens.count < PageGeometry.tokens
                    ? "a session is whole pages of \(PageGeometry.tokens) tokens; save a longer one"
                    : "it has been given up for others; send the request once more and save it then")
        }
        return try await onQueue { [store, identity] () throws(SessionError) in
            SavedSession(
                record: try store.save(
                    name, found.pages, tokens: Array(found.tokens.prefix(found.pages.tokens)), identity: identity),
                sequenceTokens: found.tokens.count)
        }
    }

    func restore(_ name: SessionName) async throws(SessionError) -> SessionRecord {
        let image = try await onQueue { [store, identity, plan, vocabularySize] () throws(SessionError) in
            try store.open(name, identity: identity, plan: plan, vocabularySize: vocabularySize)
        }
        try await onServingThread { .restore(image, $0) }
        return SessionRecord(name: name, tokens: image.tokens.count, bytes: image.byteCount)
    }

    func erase(_ name: SessionName) async throws(SessionError) {
        try await onQueue { [store] () throws(SessionError) in try store.erase(name) }
    }

    func list() async -> [SessionRecord] {
        await withCheckedContinuation { continuation in
            queue.async { [store] in continuation.resume(returning: store.list()) }
        }
    }

    private func onServingThread<Value: Sendable>(
        _ task: (@escaping @Sendable (Result<Value, SessionError>) -> Void) -> SessionTask
    ) async throws(SessionError) -> Value {
        let result: Result<Value, SessionError> = await withCheckedContinuation { continuation in
            guard !mailbox.post(task({ continuation.resume(returning: $0) })) else { return }
            continuation.resume(
                returning: .failure(
                    SessionError(.shutDown, received: "the server is shutting down", remedy: "try again later")))
        }
        return try result.get()
    }

    private func onQueue<Value: Sendable>(
        _ body: @escaping @Sendable () throws(SessionError) -> Value
    ) async throws(SessionError) -> Value {
        let result: Result<Value, SessionError> = await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: Result { () throws(SessionError) in try body() }) }
        }
        return try result.get()
    }
}

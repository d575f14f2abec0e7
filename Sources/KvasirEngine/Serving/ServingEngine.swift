internal import Foundation
internal import KvasirCache
internal import KvasirModels
internal import KvasirTokenizers
internal import Synchronization

/// Serves many requests side by side: one thread that runs steps of all of them, and a mailbox in front of it.
///
/// A request's tokens are those it would get alone, bit for bit: nothing it computes depends on what runs beside it, and a
/// prefix from memory is what it would compute itself.
public final class ServingEngine: ServingBackend {
    /// What is served.
    public let description: ServingDescription
    /// Sessions that are kept as files; nil if there is no directory for them.
    public let sessions: (any ServingSessions)?

    private let mailbox: Mailbox
    private let published: Published
    private let contextLength: Int
    private let vocabularySize: Int
    private let maximumWaiting: Int

    /// Starts the thread; it ends with `shutDown`.
    ///
    /// - Parameters:
    ///   - engine: from here on used by the serving thread alone.
    ///   - name: what clients call the model.
    ///   - limits: how much is done side by side.
    ///   - sessions: where sessions are kept, and what their pages depend on; nil for none.
    public init(
        _ engine: sending InferenceEngine, name: String, limits: Scheduler.Limits = Scheduler.Limits(),
        sessions: (store: SessionStore, identity: SessionIdentity)? = nil
    ) {
        let model = engine.model
        description = ServingDescription(
            name: name, tokenizer: model.tokenizer,
            chatTemplate: Result { () throws(ChatTemplateError) in try model.chatTemplate() },
            tokenCapacity: engine.tokenCapacity, plan: engine.plan, cacheBudget: engine.pool.budget)
        contextLength = engine.contextLength
        vocabularySize = engine.vocabularySize
        maximumWaiting = limits.waiting
        let mailbox = Mailbox()
        let published = Published()
        self.mailbox = mailbox
        self.published = published
        self.sessions = sessions.map {
            EngineSessions(
                $0.store, identity: $0.identity, plan: engine.plan, vocabularySize: engine.vocabularySize,
                mailbox: mailbox)
        }
        let loop = ServingLoop(engine, limits: limits, mailbox: mailbox, published: published)
        let box = Handover(loop)
        let thread = Thread { box.value.run() }
        thread.name = "kvasir-serving"
        thread.stackSize = 8 << 20
        thread.start()
    }

    deinit { shutDown() }

    /// As of the last step.
    public var statistics: ServingStatistics { published.statistics.withLock { $0 } }

    /// Ends all requests, cancelled, and refuses new ones.
    public func shutDown() { mailbox.close() }

    /// Takes a request; see `ServingBackend`.
    ///
    /// - Throws: `ServingError` if it cannot be served at all, or not now.
    public func submit(
        _ request: ServingRequest
    ) throws(ServingError) -> AsyncThrowingStream<ServingEvent, any Error> {
        let limit = try check(request)
        let (stream, events) = AsyncThrowingStream<ServingEvent, any Error>.makeStream()
        let active: ActiveRequest
        let id = mailbox.nextID()
        do {
            active = try ActiveRequest(
                id, request, limit: limit, tokenizer: description.tokenizer, vocabularySize: vocabularySize,
                events: events)
        } catch {
            throw ServingError(.invalidRequest, received: "\(error)", remedy: "change the sampling parameters")
        }
        let mailbox = mailbox
        events.onTermination = { _ in mailbox.post(.cancel(id)) }
        switch mailbox.submit(Handover(active), waiting: maximumWaiting) {
        case .taken: return stream
        case .full:
            published.statistics.withLock { $0.refused += 1 }
            throw ServingError(
                .busy, received: "\(maximumWaiting) requests are waiting", remedy: "try again in a few seconds")
        case .closed:
            throw ServingError(.shutDown, received: "the server is shutting down", remedy: "try again later")
        }
    }

    /// Checks what can be known before the request is queued, and returns the most tokens it can generate.
    private func check(_ request: ServingRequest) throws(ServingError) -> Int {
        let prompt = request.prompt.count
        guard prompt > 0 else {
            throw ServingError(.invalidRequest, received: "a prompt without tokens", remedy: "give at least one")
        }
        if let token = request.prompt.first(where: { $0 < 0 || $0 >= vocabularySize }) {
            throw ServingError(
                .invalidRequest, received: "token \(token)", remedy: "the model's tokens are 0 to \(vocabularySize - 1)"
            )
        }
        let capacity = description.tokenCapacity
        let wanted = request.maxTokens ?? 1
        guard wanted >= 0 else {
            throw ServingError(.invalidRequest, received: "\(wanted) tokens", remedy: "ask for 0 or more")
        }
        guard prompt + min(wanted, 1) <= contextLength else {
            throw ServingError(
                .tooLarge, received: "a prompt of \(prompt) tokens",
                remedy: "the context holds \(contextLength), an answer included; shorten the prompt")
        }
        guard prompt + min(wanted, contextLength - prompt) <= capacity else {
            throw ServingError(
                .tooLarge, received: "\(prompt) tokens of prompt and \(wanted) to generate",
                remedy: "the cache budget holds \(capacity) in all; ask for fewer")
        }
        return min(request.maxTokens ?? .max, capacity - prompt)
    }
}

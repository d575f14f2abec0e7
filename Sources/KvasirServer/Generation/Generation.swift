#if Server
internal import KvasirEngine
internal import Synchronization

/// The answers to one client's request as they are made: several prompts, several answers each, in one sequence of events.
///
/// The engine's queue is limited, and a request may have more prompts than it takes: all but the first are handed in as
/// earlier ones end. Whoever cancels, or stops reading, cancels all of them.
final class Generation: Sendable {
    /// What a reader gets.
    enum Item: Sendable {
        /// Something happened to one answer.
        case event(choice: Int, ServingEvent)
        /// Nothing has for some time.
        case silence
    }

    /// The client has closed its connection.
    struct ClientGone: Error {}

    /// What happens, in order for each answer; ends when all have ended.
    let items: AsyncThrowingStream<Item, any Error>
    private let continuation: AsyncThrowingStream<Item, any Error>.Continuation

    /// Starts the first request; the others follow.
    ///
    /// - Parameters:
    ///   - requests: one for each answer.
    ///   - concurrent: how many are with the engine at a time.
    ///   - heartbeat: how long nothing happens until that is reported; nil for never.
    /// - Throws: `ServingError` if the engine does not take the first.
    init(
        _ requests: [ServingRequest], on engine: any ServingBackend, concurrent: Int, heartbeat: Duration? = nil
    ) throws(ServingError) {
        precondition(!requests.isEmpty, "a request has a prompt")
        (items, continuation) = AsyncThrowingStream.makeStream()
        let first = try engine.submit(requests[0])
        let continuation = continuation
        let task = Task {
            do {
                try await Self.run(requests, first, engine, max(concurrent, 1), heartbeat, continuation)
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        continuation.onTermination = { _ in task.cancel() }
    }

    /// Gives up all answers, because nobody is there to read them.
    func cancel() { continuation.finish(throwing: ClientGone()) }

    private enum Ended { case answer, heartbeat }

    /// When something happened last.
    private final class Activity: Sendable {
        private let last = Mutex(ContinuousClock.now)

        func note() { last.withLock { $0 = .now } }

        /// Waits until nothing has happened for some time.
        func silence(_ time: Duration) async throws {
            while true {
                let end = last.withLock { $0 } + time
                guard end > .now else { return note() }
                try await Task.sleep(until: end)
            }
        }
    }

    private static func run(
        _ requests: [ServingRequest], _ first: AsyncThrowingStream<ServingEvent, any Error>,
        _ engine: any ServingBackend, _ concurrent: Int, _ heartbeat: Duration?,
        _ continuation: AsyncThrowingStream<Item, any Error>.Continuation
    ) async throws {
        try await withThrowingTaskGroup(of: Ended.self) { group in
            let activity = Activity()
            func follow(_ choice: Int, _ events: AsyncThrowingStream<ServingEvent, any Error>) {
                group.addTask {
                    for try await event in events {
                        activity.note()
                        continuation.yield(.event(choice: choice, event))
                    }
                    try Task.checkCancellation()
                    return .answer
                }
            }
            if let heartbeat {
                group.addTask {
                    while true {
                        try await activity.silence(heartbeat)
                        continuation.yield(.silence)
                    }
                }
            }
            follow(0, first)
            var (started, ended) = (1, 0)
            while ended < requests.count {
                if started < requests.count, started - ended < concurrent {
                    do throws(ServingError) {
                        follow(started, try engine.submit(requests[started]))
                        started += 1
                        continue
                    } catch {
                        guard error.reason == .busy else { throw error }
                        if started == ended {
                            // The queue is full of others' requests.
                            try await Task.sleep(for: .milliseconds(50))
                            continue
                        }
                    }
                }
                if case .answer? = try await group.next() { ended += 1 }
            }
            group.cancelAll()
            // The heartbeat ends with its cancellation, which is no failure.
            while let result = await group.nextResult() { _ = result }
        }
    }
}
#endif

internal import Foundation
internal import Synchronization

/// Carries a value to the serving thread, which alone uses it afterwards.
struct Handover<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

/// What the serving thread lets others see.
final class Published: Sendable {
    let statistics = Mutex(ServingStatistics())
}

/// What others have to say to the serving thread.
final class Mailbox: Sendable {
    enum Message {
        case submit(Handover<ActiveRequest>)
        case cancel(Scheduler.ID)
        case session(SessionTask)
    }

    enum Receipt { case taken, full, closed }

    private struct State: ~Copyable {
        var messages: [Message] = []
        var lastID: Scheduler.ID = 0
        /// Requests that were submitted and not yet taken up.
        var waiting = 0
        var isClosed = false
    }

    private let state = Mutex(State())
    private let signal = DispatchSemaphore(value: 0)

    func nextID() -> Scheduler.ID {
        state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
    }

    func submit(_ request: Handover<ActiveRequest>, waiting limit: Int) -> Receipt {
        let receipt = state.withLock { state -> Receipt in
            guard !state.isClosed else { return .closed }
            guard state.waiting < limit else { return .full }
            state.waiting += 1
            state.messages.append(.submit(request))
            return .taken
        }
        if receipt == .taken { signal.signal() }
        return receipt
    }

    func post(_ message: Message) {
        state.withLock { $0.messages.append(message) }
        signal.signal()
    }

    /// Hands a session's task over; false if nobody will take it any more.
    func post(_ task: SessionTask) -> Bool {
        let isOpen = state.withLock { state in
            if !state.isClosed { state.messages.append(.session(task)) }
            return !state.isClosed
        }
        if isOpen { signal.signal() }
        return isOpen
    }

    func close() {
        state.withLock { $0.isClosed = true }
        signal.signal()
    }

    /// Takes all messages; the requests among them count as waiting until `noteWaiting`.
    func take() -> (messages: [Message], isClosed: Bool) {
        state.withLock { state in
            defer { state.messages.removeAll() }
            return (state.messages, state.isClosed)
        }
    }

    /// Says how many requests wait, beside those among the messages.
    func noteWaiting(_ waiting: Int) {
        state.withLock { state in
            state.waiting = waiting + state.messages.count { if case .submit = $0 { true } else { false } }
        }
    }

    /// Waits for a message, or until a time.
    func wait(until deadline: ContinuousClock.Instant?) {
        guard let deadline else { return signal.wait() }
        let seconds = max((deadline - .now) / .seconds(1), 0)
        _ = signal.wait(timeout: .now() + seconds)
    }
}

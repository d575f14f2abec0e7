#if Server
internal import NIOCore
internal import Synchronization

/// The open connections.
///
/// Where they become too many, the one that has been idle for the longest time is closed, so that thousands that say nothing
/// do not keep out the next that does.
final class ConnectionRegistry: Sendable {
    private struct Entry {
        let channel: any Channel
        /// Requests that are being answered.
        var requests = 0
        var lastUse: UInt64
    }

    private struct State {
        var entries: [ObjectIdentifier: Entry] = [:]
        var clock: UInt64 = 0

        mutating func touch(_ id: ObjectIdentifier) {
            clock += 1
            entries[id]?.lastUse = clock
        }
    }

    private let limit: Int
    private let state = Mutex(State())

    /// - Parameter limit: connections; when the last place is taken, one is made free.
    init(limit: Int) { self.limit = limit }

    /// Connections that are open and not about to be closed.
    var count: Int { state.withLock { $0.entries.count } }

    /// A connection has been made.
    func opened(_ channel: any Channel) {
        let surplus: (any Channel)? = state.withLock { state in
            state.entries[ObjectIdentifier(channel)] = Entry(channel: channel, lastUse: 0)
            state.touch(ObjectIdentifier(channel))
            // With one place for all, it is the new one's.
            guard state.entries.count >= max(limit, 2) else { return nil }
            let idle = state.entries.filter { $0.value.requests == 0 && $0.key != ObjectIdentifier(channel) }
            guard let oldest = idle.min(by: { $0.value.lastUse < $1.value.lastUse }) else { return nil }
            state.entries[oldest.key] = nil
            return oldest.value.channel
        }
        surplus?.close(promise: nil)
    }

    /// Something has come from a connection.
    func heard(_ channel: any Channel) { state.withLock { $0.touch(ObjectIdentifier(channel)) } }

    /// A request has come; its connection is not idle until `ended`.
    func began(_ channel: any Channel) {
        state.withLock { $0.entries[ObjectIdentifier(channel)]?.requests += 1 }
    }

    /// A request has been answered.
    func ended(_ channel: any Channel) {
        state.withLock { state in
            state.touch(ObjectIdentifier(channel))
            state.entries[ObjectIdentifier(channel)]?.requests -= 1
        }
    }

    /// A connection is closed.
    func closed(_ channel: any Channel) {
        state.withLock { _ = $0.entries.removeValue(forKey: ObjectIdentifier(channel)) }
    }
}
#endif

#if Server
internal import NIOCore

/// Watches one connection: closes it if no request comes, and tells when the client has gone.
///
/// A client that closes its connection in the middle of an answer is seen at once, also where nothing is being written:
/// during a long prompt, or while an answer is made that is sent as a whole.
final class ConnectionGuard: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny
    typealias InboundOut = NIOAny

    private let headerTime: TimeAmount
    private let connections: ConnectionRegistry
    private var timer: Scheduled<Void>?
    private var hasGone = false
    private var observers: [Int: @Sendable () -> Void] = [:]
    private var nextObserver = 0

    /// - Parameters:
    ///   - headerTime: how long the first request's header may take; a slow one keeps a connection for nothing.
    ///   - connections: where the connection is counted.
    init(headerTime: Duration, connections: ConnectionRegistry) {
        self.headerTime = TimeAmount(headerTime)
        self.connections = connections
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(in: headerTime) { channel.close(promise: nil) }
        connections.opened(channel)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        stopTimer()
        connections.closed(context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // What comes first is a whole header.
        stopTimer()
        connections.heard(context.channel)
        context.fireChannelRead(data)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { clientHasGone() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        stopTimer()
        connections.closed(context.channel)
        clientHasGone()
        context.fireChannelInactive()
    }

    private func stopTimer() {
        timer?.cancel()
        timer = nil
    }

    private func clientHasGone() {
        hasGone = true
        let waiting = observers
        observers = [:]
        for observer in waiting.values { observer() }
    }

    private func observe(_ action: @escaping @Sendable () -> Void) -> Int? {
        guard !hasGone else {
            action()
            return nil
        }
        nextObserver += 1
        observers[nextObserver] = action
        return nextObserver
    }

    /// Calls `action` when the client of a connection goes, or at once if it has gone; until `body` returns.
    static func whileWatching<Value>(
        _ channel: any Channel, onGone action: @escaping @Sendable () -> Void,
        _ body: () async throws -> Value
    ) async throws -> Value {
        // A connection of a test of routes alone has no guard.
        let observer = try? await channel.eventLoop.submit {
            try channel.pipeline.syncOperations.handler(type: ConnectionGuard.self).observe(action)
        }.get()
        defer {
            if let observer {
                channel.eventLoop.execute {
                    let handler = try? channel.pipeline.syncOperations.handler(type: ConnectionGuard.self)
                    handler?.observers[observer] = nil
                }
            }
        }
        return try await body()
    }
}

@available(*, unavailable)
extension ConnectionGuard: Sendable {}
#endif

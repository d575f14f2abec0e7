#if Server
internal import Hummingbird
internal import HummingbirdCore
public import KvasirEngine
public import Logging
internal import NIOCore
public import ServiceLifecycle
internal import Synchronization

/// The HTTP server: it listens at once, answers `/health` while its model is loaded, and then serves it until it is told to
/// stop.
///
/// Told to stop, it takes no more connections, lets the requests at hand go on for the grace time, and then ends them.
public final class InferenceServer: Service {
    private let settings: ServerSettings
    private let logger: Logger
    private let load: @Sendable () async throws -> any ServingBackend
    private let onListening: @Sendable (_ address: String) -> Void
    private let onReady: @Sendable (ServingDescription) -> Void
    private let model = ServedModel()

    /// Creates a server that does nothing yet.
    ///
    /// - Parameters:
    ///   - settings: where to listen, and what is allowed.
    ///   - logger: for what goes wrong.
    ///   - onListening: called with the address once connections are taken.
    ///   - onReady: called once the model is served.
    ///   - load: makes what is served; the server ends if it fails.
    /// - Throws: `ServerError` for settings it does not start with.
    public init(
        settings: ServerSettings, logger: Logger,
        onListening: @escaping @Sendable (_ address: String) -> Void = { _ in },
        onReady: @escaping @Sendable (ServingDescription) -> Void = { _ in },
        load: @escaping @Sendable () async throws -> any ServingBackend
    ) throws(ServerError) {
        try settings.validate()
        self.settings = settings
        self.logger = logger
        self.onListening = onListening
        self.onReady = onReady
        self.load = load
    }

    /// Listens and serves until the service is told to stop.
    ///
    /// - Throws: `ServerError` if the address cannot be listened on; what `load` throws.
    public func run() async throws {
        let progress = Progress()
        let application = Self.application(model: model, settings: settings, logger: logger) {
            [settings, onListening] port in
            progress.listens.withLock { $0 = true }
            let host = settings.host.contains(":") ? "[\(settings.host)]" : settings.host
            onListening("http://\(host):\(port)")
        }
        let model = model
        defer {
            progress.ending.withLock { $0?.cancel() }
            model.current?.engine.shutDown()
        }
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { [settings] in
                    do {
                        try await application.run()
                    } catch  where !progress.listens.withLock({ $0 }) {
                        throw ServerError(
                            .cannotListen, received: "\(settings.host):\(settings.port)",
                            remedy: "cannot listen there (\(error)); choose another --host or --port")
                    }
                }
                group.addTask { [load, onReady] in
                    let backend = try await load()
                    guard !progress.hasFailed.withLock({ $0 }) else { return }
                    model.load(backend)
                    onReady(backend.description)
                    // Ends with the server, not before it.
                    try? await gracefulShutdown()
                }
                do {
                    while try await group.next() != nil {}
                } catch {
                    progress.hasFailed.withLock { $0 = true }
                    group.cancelAll()
                    throw error
                }
            }
        } onGracefulShutdown: { [graceTime = settings.graceTime] in
            let ending = Task {
                try? await Task.sleep(for: graceTime)
                if !Task.isCancelled { model.current?.engine.shutDown() }
            }
            progress.ending.withLock { $0 = ending }
        }
    }

    /// How far the server has come.
    private final class Progress: Sendable {
        let listens = Mutex(false)
        let hasFailed = Mutex(false)
        /// Ends the requests at hand after the grace time.
        let ending = Mutex<Task<Void, Never>?>(nil)
    }

    /// The application of a model that is served, or will be.
    static func application(
        model: ServedModel, settings: ServerSettings, logger: Logger,
        onListening: @escaping @Sendable (_ port: Int) -> Void = { _ in }
    ) -> Application<RouterResponder<ServerContext>> {
        let limits = settings.limits
        let metrics = ServerMetrics()
        let connections = ConnectionRegistry(limit: limits.connections)
        return Application(
            router: Routes(model: model, metrics: metrics, settings: settings, connections: connections).router(),
            server: .http1(
                configuration: HTTP1Channel.Configuration(
                    additionalChannelHandlers: [
                        ConnectionGuard(headerTime: limits.headerTime, connections: connections)
                    ],
                    idleTimeout: TimeAmount(limits.idleTime),
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: 16 << 10, maxHeaderListSize: 64 << 10, maxHeaderFieldCount: 128))),
            configuration: ApplicationConfiguration(
                address: .hostname(settings.host, port: settings.port), serverName: "kvasir", backlog: 1024,
                availableConnectionsDelegate: MaximumAvailableConnections(limits.connections)),
            onServerRunning: { channel in onListening(channel.localAddress?.port ?? settings.port) },
            logger: logger)
    }
}
#endif

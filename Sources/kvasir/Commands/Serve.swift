#if Server
import ArgumentParser
import Foundation
import KvasirCache
import KvasirCodecs
import KvasirEngine
import KvasirHub
import KvasirNumerics
import KvasirServer
import Logging
import ServiceLifecycle
import UnixSignals

/// `kvasir serve`: an HTTP server that speaks the OpenAI API.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serves a model over HTTP, as the OpenAI API does.",
        discussion: """
            Endpoints: /v1/chat/completions, /v1/completions, /v1/models, /tokenize, /detokenize, /health, /metrics, \
            /props, /stats, /sessions, and a page at /. Without an API key only this machine is served. The cache takes 2 GiB where \
            --cache-budget does not say otherwise. Ctrl-C lets the requests at \
            hand end; a second one does not wait. docs/serving.md has the rest.
            """)

    /// What the cache may take where the command line does not say: a server without a limit takes all there is.
    static let defaultBudget = 2 << 30

    @OptionGroup(title: "Server") var server: ServerOptions

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Model") var weights: WeightOptions
    @OptionGroup(title: "Cache") var cache: CacheOptions
    @OptionGroup(title: "Cache") var context: ContextOptions
    @OptionGroup(title: "Computing") var compute: ComputeOptions

    func run() async throws {
        let settings = try server.settings()
        var engineSettings = try EngineSettings(model, weights, cache, compute, contextLength: context.context)
        let store = try server.sessionDir.map { try SessionStore(path: $0) }
        engineSettings.cacheBudget = engineSettings.cacheBudget ?? Self.defaultBudget
        ProcessLimits.prepare(connections: settings.limits.connections)
        let interrupts = Interrupts()
        let file = try await engineSettings.fetch(interrupts: interrupts)
        // From here on the service takes Ctrl-C; who presses it twice means now.
        let presses = Presses()
        interrupts.whileIdle { if presses.another() > 1 { Interrupts.exit() } }

        let servedName = server.name ?? URL(filePath: file.path).deletingPathExtension().lastPathComponent
        let loading = engineSettings
        let service = try InferenceServer(
            settings: settings, logger: logger(),
            onListening: { Console.note("kvasir: listening at \($0), loading \(servedName)") },
            onReady: { Console.note(Self.banner($0)) },
            load: {
                let engine = try loading.load(file)
                let sessions = try store.map { (store: $0, identity: try SessionIdentity(engine)) }
                return ServingEngine(engine, name: servedName, sessions: sessions)
            })
        try await ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [.init(service: service, successTerminationBehavior: .gracefullyShutdownGroup)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger())
        ).run()
    }

    private func logger() -> Logger {
        var logger = Logger(label: "kvasir") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = server.verbose ? .debug : .warning
        return logger
    }

    private static func banner(_ served: ServingDescription) -> String {
        let plan = served.plan
        let tokens = plan.tokens(inBytes: served.cacheBudget, inStepsOf: InferenceEngine.prefillChunk)
        let f16 = PageGeometry.tokens * (served.cacheBudget / (plan.f16BytesPerToken * PageGeometry.tokens))
        return "kvasir: ready\n"
            + table([
                ("model", "\(served.name), sequences of up to \(served.tokenCapacity.grouped) tokens"),
                ("cache", plan.summary),
                (
                    "budget",
                    "\(ByteCount(served.cacheBudget)) hold \(tokens.grouped) tokens; f16 would hold \(f16.grouped)"
                ),
            ])
    }
}
#endif

#if Server
internal import Foundation
internal import Hummingbird
internal import NIOCore

/// All addresses of the server.
struct Routes: Sendable {
    let model: ServedModel
    let metrics: ServerMetrics
    let settings: ServerSettings
    let connections: ConnectionRegistry
    /// Seconds since 1970 when the server was started.
    let created = Identifier.now

    func router() -> Router<ServerContext> {
        let router = Router(context: ServerContext.self)
        router.add(middleware: ConnectionMiddleware(connections: connections))
        router.add(middleware: CountMiddleware(metrics: metrics))
        router.add(middleware: OriginMiddleware(settings))
        router.add(middleware: ErrorMiddleware())
        if let key = settings.apiKey { router.add(middleware: KeyMiddleware(key)) }
        addAPI(to: router)
        addState(to: router)
        addPage(to: router)
        return router
    }

    private func addAPI(to router: Router<ServerContext>) {
        let limits = settings.limits
        let chat = ChatCompletionsEndpoint(model: model, metrics: metrics, settings: settings)
        router.post("/v1/chat/completions") { request, context in
            try await chat.respond(try await request.fields(limits), context)
        }
        let completions = CompletionsEndpoint(model: model, metrics: metrics, settings: settings)
        router.post("/v1/completions") { request, context in
            try await completions.respond(try await request.fields(limits), context)
        }
        let models = ModelsEndpoint(model: model, created: created)
        router.get("/v1/models") { _, _ in try models.list() }
        router.get("/v1/models/**") { _, context in
            let id = context.parameters.getCatchAll().joined(separator: "/")
            return try models.entry(id: id.removingPercentEncoding ?? id)
        }
        let tokenize = TokenizeEndpoint(model: model)
        router.post("/tokenize") { request, _ in try await tokenize.tokenize(try await request.fields(limits)) }
        router.get("/tokenizer_info") { _, _ in try tokenize.info() }
        let sessions = SessionsEndpoint(model: model, metrics: metrics, settings: settings)
        router.get("/sessions") { _, _ in try await sessions.list() }
        router.post("/sessions/:name") { request, context in
            let name = context.parameters.get("name") ?? ""
            return try await sessions.act(
                name.removingPercentEncoding ?? name, request.uri.queryParameters["action"].map(String.init),
                try await request.fields(limits, emptyIsAllowed: true), context)
        }
        router.post("/detokenize") { request, _ in try await tokenize.detokenize(try await request.fields(limits)) }
    }

    private func addState(to router: Router<ServerContext>) {
        let health = HealthEndpoint(model: model)
        router.get("/health") { _, _ in health.respond() }
        let metrics = MetricsEndpoint(model: model, metrics: metrics)
        router.get("/metrics") { _, _ in metrics.respond() }
        let props = PropsEndpoint(model: model, created: created)
        router.get("/props") { _, _ in try props.props() }
        router.get("/stats") { _, _ in try props.statistics() }
    }

    private func addPage(to router: Router<ServerContext>) {
        router.get("/") { _, _ in PageFile.html.response }
        router.get("/page.js") { _, _ in PageFile.script.response }
        router.get("/page.css") { _, _ in PageFile.style.response }
    }
}
#endif

#if Server
internal import Hummingbird
internal import Logging

/// Counts requests by route and status, and logs them.
struct CountMiddleware: RouterMiddleware {
    let metrics: ServerMetrics

    func handle(
        _ request: Request, context: ServerContext,
        next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        let response: Response
        do {
            response = try await next(request, context)
        } catch {
            if error is Generation.ClientGone { metrics.countDisconnect() }
            throw error
        }
        let status = Int(response.status.code)
        // What nobody serves is one route, or everybody could make names.
        metrics.count(method: request.method.rawValue, route: context.endpointPath ?? "none", status: status)
        context.logger.debug(
            "answered",
            metadata: [
                "method": "\(request.method.rawValue)", "path": "\(request.uri.path)", "status": "\(status)",
                "seconds": "\((ContinuousClock.now - start) / .seconds(1))",
            ])
        return response
    }
}
#endif

#if Server
internal import Hummingbird

/// Says of a connection from when to when it is used, so that it is not taken for idle.
struct ConnectionMiddleware: RouterMiddleware {
    let connections: ConnectionRegistry

    func handle(
        _ request: Request, context: ServerContext,
        next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        let (connections, channel) = (connections, context.channel)
        connections.began(channel)
        do {
            var response = try await next(request, context)
            let body = response.body
            response.body = ResponseBody(contentLength: body.contentLength) { writer in
                // A stream is answered when its last event is written.
                defer { connections.ended(channel) }
                try await body.write(writer)
            }
            return response
        } catch {
            connections.ended(channel)
            throw error
        }
    }
}
#endif

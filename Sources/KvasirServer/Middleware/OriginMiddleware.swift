#if Server
internal import HTTPTypes
internal import Hummingbird

/// Keeps other sites' pages out.
///
/// A browser lets any page send requests to this machine, though not read the answers, unless a name of the page's own
/// is made to point here. So a request from another origin is refused unless the settings allow that origin, and a
/// server without a key answers to the machine's own names only.
struct OriginMiddleware: RouterMiddleware {
    let allowed: [String]
    /// Whether the host must be this machine by one of its own names.
    let needsLocalHost: Bool

    init(_ settings: ServerSettings) {
        allowed = settings.allowedOrigins
        needsLocalHost = settings.apiKey == nil && settings.isLoopback
    }

    func handle(
        _ request: Request, context: ServerContext,
        next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        let host = request.head.authority ?? ""
        if needsLocalHost, !ServerSettings.isLoopback(Self.name(ofHost: host)) {
            return APIError(
                status: .forbidden, kind: .permission,
                message:
                    "the host '\(host.prefix(100))' is not this machine; ask by 127.0.0.1 or localhost, or start the "
                    + "server with an API key", code: "host_not_allowed"
            ).response
        }
        guard let origin = request.headers[.origin], !Self.isSame(origin, host) else {
            return try await next(request, context)
        }
        guard allowed.contains("*") || allowed.contains(origin) else {
            return APIError(
                status: .forbidden, kind: .permission,
                message: "pages of '\(origin.prefix(100))' may not use this server; --allow-origin permits them",
                code: "origin_not_allowed"
            ).response
        }
        var response: Response
        if request.method == .options {
            response = Response(status: .noContent)
            response.headers[.accessControlAllowMethods] = "GET, POST, OPTIONS"
            response.headers[.accessControlAllowHeaders] = "authorization, content-type"
            response.headers[.accessControlMaxAge] = "600"
        } else {
            response = try await next(request, context)
        }
        response.headers[.accessControlAllowOrigin] = origin
        response.headers[.vary] = "Origin"
        return response
    }

    private static func isSame(_ origin: String, _ host: String) -> Bool {
        origin == "http://\(host)" || origin == "https://\(host)"
    }

    /// The host without its port.
    static func name(ofHost host: String) -> String {
        if host.hasPrefix("[") { return String(host.prefix { $0 != "]" }) + "]" }
        return String(host.prefix { $0 != ":" })
    }
}
#endif

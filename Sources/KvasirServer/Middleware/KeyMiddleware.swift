#if Server
internal import HTTPTypes
internal import Hummingbird

/// Lets through only who shows the API key; `/health` and the page, which holds nothing secret, are open.
struct KeyMiddleware: RouterMiddleware {
    private let key: [UInt8]

    init(_ key: String) { self.key = Array(key.utf8) }

    private static let open: Set<String> = ["/", "/health", "/page.js", "/page.css"]

    func handle(
        _ request: Request, context: ServerContext,
        next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        guard Self.open.contains(request.uri.path) || isAuthorized(request) else {
            throw APIError(
                status: .unauthorized, kind: .authentication,
                message: "the API key is missing or wrong; send it as 'Authorization: Bearer KEY'",
                code: "invalid_api_key")
        }
        return try await next(request, context)
    }

    private func isAuthorized(_ request: Request) -> Bool {
        guard let header = request.headers[.authorization] else { return false }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return false }
        return Self.areEqual(Array(parts[1].utf8), key)
    }

    /// Whether two texts are equal, in a time that depends on the first one's length only: how much of a guess is right
    /// does not show.
    static func areEqual(_ guess: [UInt8], _ key: [UInt8]) -> Bool {
        var difference = guess.count ^ key.count
        for (index, byte) in guess.enumerated() { difference |= Int(byte ^ key[index % max(key.count, 1)]) }
        return difference == 0
    }
}
#endif

#if Server
internal import HTTPTypes
internal import Hummingbird
internal import Logging

/// Answers errors in the form of the OpenAI API.
struct ErrorMiddleware: RouterMiddleware {
    func handle(
        _ request: Request, context: ServerContext,
        next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as Generation.ClientGone {
            // Nobody is there to be answered, and the connection goes, too.
            throw error
        } catch let error as HTTPError where error.status == .notFound {
            return APIError.notFound(
                "there is no \(request.method.rawValue) \(request.uri.path.prefix(200)); GET / describes the server"
            ).response
        } catch {
            let answer = APIError(anything: error)
            if answer == .unexpected {
                context.logger.error("request failed", metadata: ["error": "\(error)", "path": "\(request.uri.path)"])
            }
            return answer.response
        }
    }
}
#endif

#if Server
internal import HTTPTypes
internal import Hummingbird

/// `GET /health`: whether requests are served.
struct HealthEndpoint: Sendable {
    let model: ServedModel

    func respond() -> Response {
        guard model.current != nil else { return Response(["status": "loading"], status: .serviceUnavailable) }
        return Response(["status": "ok"])
    }
}
#endif

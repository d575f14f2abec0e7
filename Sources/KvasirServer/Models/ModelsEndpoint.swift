#if Server
internal import Hummingbird
internal import KvasirEngine

/// `GET /v1/models` and `GET /v1/models/{id}`: the one model there is.
struct ModelsEndpoint: Sendable {
    let model: ServedModel
    /// Seconds since 1970 when the server was started.
    let created: Int

    func list() throws -> Response {
        let description = try model.ready().description
        return Response(["object": "list", "data": [entry(description)]])
    }

    func entry(id: String) throws -> Response {
        let description = try model.ready().description
        guard id == description.name else {
            throw APIError.notFound(
                "the model '\(id.prefix(100))' is not served here; '\(description.name)' is", parameter: "model",
                code: "model_not_found")
        }
        return Response(entry(description))
    }

    private func entry(_ model: ServingDescription) -> JSONNode {
        [
            "id": .string(model.name), "object": "model", "created": .integer(created), "owned_by": "kvasir",
            // As vLLM says it.
            "max_model_len": .integer(model.tokenCapacity),
        ]
    }
}
#endif

#if Server
internal import Hummingbird
internal import KvasirEngine

/// `POST /sessions/NAME?action=save|restore|erase`, and `GET /sessions`: caches of sequences as files.
///
/// What is saved is the sequence of the last request that had the session's name, or a prompt that the body gives, as either
/// completion takes it; it is computed first where it is not cached.
struct SessionsEndpoint: Sendable {
    let model: ServedModel
    let metrics: ServerMetrics
    let settings: ServerSettings

    private static let actions = ["save", "restore", "erase"]

    func list() async throws -> Response {
        let list = await (try sessions(of: try model.ready())).list()
        return Response([
            "sessions": .array(
                list.map {
                    [
                        "session": .string($0.name.text), "tokens": .integer($0.tokens), "bytes": .integer($0.bytes),
                    ]
                })
        ])
    }

    func act(_ text: String, _ action: String?, _ fields: RequestFields, _ context: ServerContext) async throws
        -> Response
    {
        let backend = try model.ready()
        let sessions = try sessions(of: backend)
        let name = try SessionName(session: text)
        let start = ContinuousClock.now
        func answer(_ record: SessionRecord, _ more: [JSONNode.Member] = []) -> Response {
            let members: [JSONNode.Member] = [
                .init("session", .string(record.name.text)), .init("tokens", .integer(record.tokens)),
                .init("bytes", .integer(record.bytes)),
                .init("seconds", .number((ContinuousClock.now - start) / .seconds(1))),
            ]
            return Response(.object(members + more))
        }
        switch action {
        case "save":
            let prompt = try await prompt(fields, backend, context)
            let saved = try await sessions.save(name, tokens: prompt)
            return answer(saved.record, [.init("sequence_tokens", .integer(saved.sequenceTokens))])
        case "restore": return answer(try await sessions.restore(name))
        case "erase":
            try await sessions.erase(name)
            return Response(["session": .string(name.text), "erased": true])
        default:
            throw APIError.invalid(
                "action",
                "'action' is \(action.map { "'\($0.prefix(40))'" } ?? "missing"); give "
                    + Self.actions.joined(separator: ", "))
        }
    }

    private func sessions(of backend: ServedModel.Backend) throws(APIError) -> any ServingSessions {
        guard let sessions = backend.engine.sessions else { throw .noSessions }
        return sessions
    }

    /// The tokens of a prompt that the body gives, computed; nil if it gives none.
    private func prompt(
        _ fields: RequestFields, _ backend: ServedModel.Backend, _ context: ServerContext
    ) async throws -> [Int32]? {
        let tokens: [Int32]
        if fields["messages"] != nil {
            tokens = try ChatCompletionRequest(fields, backend: backend, limits: settings.limits).prompt
        } else if fields["prompt"] != nil {
            let prompts = try CompletionRequest(fields, model: backend.description, limits: settings.limits).prompts
            guard prompts.count == 1 else {
                throw APIError.invalid("prompt", "'prompt' has \(prompts.count) prompts; a session is one sequence")
            }
            tokens = prompts[0].tokens
        } else {
            return nil
        }
        let measured = metrics.request()
        let generation = try Generation(
            [
                ServingRequest(
                    prompt: tokens, maxTokens: 0, deadline: settings.limits.requestTime.map { .now + $0 })
            ], on: backend.engine, concurrent: 1)
        let answers = try await ConnectionGuard.whileWatching(context.channel, onGone: generation.cancel) {
            try await generation.answers(1, metrics: measured)
        }
        _ = try answers[0].finishReason()
        return tokens
    }
}
#endif

#if Server
internal import Hummingbird
internal import KvasirEngine

/// Writes the answers to a request, in the form of one endpoint.
protocol AnswerWriter: Sendable {
    /// The number of answers.
    var count: Int { get }

    /// Everything at once.
    func whole(_ answers: [Answer]) throws -> JSONNode

    /// Piece by piece.
    func write(_ generation: Generation, to stream: inout EventStream, metrics: RequestMetrics) async throws
}

/// What both completions do once they know what is wanted: have it computed, and write it as a whole or as a stream.
struct Completing: Sendable {
    let backend: ServedModel.Backend
    let metrics: RequestMetrics
    let settings: ServerSettings
    let context: ServerContext

    func respond(
        _ common: CommonFields, _ requests: [ServingRequest], _ writer: some AnswerWriter
    ) async throws -> Response {
        guard common.session == nil || backend.engine.sessions != nil else { throw APIError.noSessions }
        let generation = try Generation(
            requests, on: backend.engine, concurrent: settings.limits.concurrentChoices,
            heartbeat: common.stream ? settings.pingInterval : nil)
        guard common.stream else {
            let answers = try await ConnectionGuard.whileWatching(context.channel, onGone: generation.cancel) {
                try await generation.answers(writer.count, metrics: metrics)
            }
            return Response(try writer.whole(answers))
        }
        return EventStream.response(of: generation, to: context, metrics: metrics) { stream in
            try await writer.write(generation, to: &stream, metrics: metrics)
        }
    }
}

extension ServerSettings {
    /// When a request that comes now is given up.
    var deadline: ContinuousClock.Instant? { limits.requestTime.map { .now + $0 } }
}
#endif

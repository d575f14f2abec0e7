#if Server
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore

/// Answers piece by piece, as server-sent events (WHATWG HTML, section 9.2).
struct EventStream: ~Copyable {
    private var writer: any ResponseBodyWriter

    init(_ writer: consuming any ResponseBodyWriter) { self.writer = writer }

    /// Sends an event.
    mutating func send(_ json: JSONNode) async throws {
        var buffer = ByteBuffer(string: "data: ")
        buffer.writeBytes(json.bytes())
        buffer.writeStaticString("\n\n")
        try await writer.write(buffer)
    }

    /// Sends a comment, which clients ignore: the connection lives.
    mutating func ping() async throws { try await writer.write(ByteBuffer(string: ": ping\n\n")) }

    /// Sends the event that says that no more come, and ends the answer.
    consuming func done() async throws {
        try await writer.write(ByteBuffer(string: "data: [DONE]\n\n"))
        try await writer.finish(nil)
    }

    /// An answer of events.
    ///
    /// - Parameters:
    ///   - generation: what is answered; cancelled when the client goes.
    ///   - body: writes the events but the last.
    static func response(
        of generation: Generation, to context: ServerContext, metrics: RequestMetrics,
        _ body: @escaping @Sendable (inout EventStream) async throws -> Void
    ) -> Response {
        let responseBody = ResponseBody { writer in
            var stream = EventStream(writer)
            do {
                try await ConnectionGuard.whileWatching(context.channel, onGone: generation.cancel) {
                    try await body(&stream)
                }
            } catch  where error is Generation.ClientGone || error is ChannelError || error is IOError {
                // The connection is closed, whichever side of it shows that first.
                generation.cancel()
                metrics.fail(Generation.ClientGone())
                throw error
            } catch is CancellationError {
                generation.cancel()
                metrics.fail(APIError.shutDown)
                try await stream.send(APIError.shutDown.json)
            } catch {
                generation.cancel()
                let answer = APIError(anything: error)
                if answer == .unexpected { context.logger.error("stream failed", metadata: ["error": "\(error)"]) }
                metrics.fail(answer)
                // The status has been sent; clients of the API look for an error in the events.
                try await stream.send(answer.json)
            }
            try await stream.done()
        }
        return Response(
            status: .ok,
            headers: [
                .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-cache",
                .xAccelBuffering: "no",
            ], body: responseBody)
    }
}
#endif

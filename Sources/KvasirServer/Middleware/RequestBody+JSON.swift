#if Server
internal import Hummingbird
internal import KvasirJSON
internal import NIOCore

extension Request {
    /// The body, which must be an object in JSON.
    ///
    /// - Parameters:
    ///   - limits: of its size and time.
    ///   - emptyIsAllowed: whether no body at all is an object without members.
    /// - Throws: `APIError` for a body that is too large, too slow, or something else.
    func fields(_ limits: ServerLimits, emptyIsAllowed: Bool = false) async throws -> RequestFields {
        if let length = headers[.contentLength].flatMap({ Int($0) }), length > limits.bodyBytes {
            throw APIError.tooLarge(limit: limits.bodyBytes)
        }
        let buffer: ByteBuffer
        do {
            buffer = try await collect(limits)
        } catch is NIOTooManyBytesError {
            throw APIError.tooLarge(limit: limits.bodyBytes)
        }
        if emptyIsAllowed, buffer.readableBytes == 0 { return try RequestFields(.object([])) }
        do {
            return try RequestFields(JSONNode(parsing: buffer.readableBytesView))
        } catch let error as JSONError {
            throw APIError(error)
        }
    }

    private func collect(_ limits: ServerLimits) async throws -> ByteBuffer {
        let body = body
        return try await withThrowingTaskGroup(of: ByteBuffer?.self) { group in
            group.addTask { try await body.collect(upTo: limits.bodyBytes) }
            group.addTask {
                try await Task.sleep(for: limits.bodyTime)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let buffer = first else { throw APIError.bodyTimeout }
            return buffer
        }
    }
}
#endif

#if Server
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import KvasirEngine
import Logging
import NIOCore

@testable import KvasirServer

/// The server with an engine that is made up.
enum TestServer {
    static let logger: Logger = {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }()

    /// The application; without a backend it is still loading.
    static func application(
        _ backend: FakeBackend?, _ change: (inout ServerSettings) -> Void = { _ in }
    ) -> Application<RouterResponder<ServerContext>> {
        var settings = ServerSettings()
        settings.port = 0
        change(&settings)
        let model = ServedModel()
        if let backend { model.load(backend) }
        return InferenceServer.application(model: model, settings: settings, logger: logger)
    }

    /// What a body that is posted is answered.
    static func answer(
        _ backend: FakeBackend?, _ path: String, _ body: String, headers: HTTPFields = [:],
        _ change: (inout ServerSettings) -> Void = { _ in }
    ) async throws -> Reply {
        try await answer(backend, .post, path, body, headers: headers, change)
    }

    /// What a request is answered.
    static func answer(
        _ backend: FakeBackend?, _ method: HTTPRequest.Method, _ path: String, _ body: String? = nil,
        headers: HTTPFields = [:], _ change: (inout ServerSettings) -> Void = { _ in }
    ) async throws -> Reply {
        try await application(backend, change).test(.router) { client in
            try await client.execute(
                uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) }
            ) { Reply(status: Int($0.status.code), headers: $0.headers, text: String(buffer: $0.body)) }
        }
    }
}

/// An answer of the server.
struct Reply: Sendable {
    let status: Int
    let headers: HTTPFields
    let text: String

    /// The text without what differs from run to run.
    var stable: String {
        text.replacing(/(cmpl|call_|chatcmpl)-?[0-9a-f]{24,32}/, with: "ID").replacing(
            /"created":\d+/, with: "\"created\":0")
    }

    var json: JSONNode { get throws { try JSONNode(parsing: text.utf8) } }

    /// The frames of a stream.
    var frames: [String] { stable.components(separatedBy: "\n\n") }
}

extension JSONNode {
    /// The element of an array.
    subscript(index: Int) -> JSONNode? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }
}
#endif

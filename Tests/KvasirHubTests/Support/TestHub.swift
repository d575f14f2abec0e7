import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Synchronization

/// A server on the loopback interface that speaks the hub's routes, and misbehaves as told.
final class TestHub: Sendable {
    /// How the server behaves.
    struct Script: Sendable {
        /// The content of `OWNER/REPO`, by file name.
        var files: [String: [UInt8]] = [:]
        /// The names the listing gives, if not those of `files`.
        var listing: [String]?
        /// The version the server names: nil for the SHA-256 of the content, empty for none.
        var etag: String?
        /// Whether the version and size come in `X-Linked` headers, as for large files.
        var isLinked = true
        /// Statuses to answer with before behaving, one per request.
        var failures: [Int] = []
        /// Bytes of the body after which each successive GET of a file is cut off.
        var cuts: [Int] = []
        /// Whether GET always sends the whole file.
        var ignoresRange = false
        /// The address of another server that has the bytes.
        var storage: String?
        /// The only token that is accepted.
        var token: String?
        /// How long the server thinks before it sends the body of a file.
        var delay: Duration = .zero
        /// Bytes sent beyond those the headers of HEAD name.
        var excess = 0
    }

    /// What a client asked for.
    struct Seen: Sendable, Equatable {
        var method: String
        var path: String
        var range: String?
        var authorization: String?
    }

    private struct State {
        var script: Script
        var seen: [Seen] = []
    }

    private struct Cut: Error {}

    private let state: Mutex<State>
    private let bound = Mutex<Int>(0)

    /// The address of the server, without a trailing slash.
    var address: String { "http://127.0.0.1:\(bound.withLock { $0 })" }
    /// Everything asked so far, in order.
    var seen: [Seen] { state.withLock { $0.seen } }
    /// The ranges of the GET requests for files.
    var fileGets: [Seen] { seen.filter { $0.method == "GET" && !$0.path.hasPrefix("/api/") } }

    private init(_ script: Script) { state = Mutex(State(script: script)) }

    func change(_ change: (inout Script) -> Void) { state.withLock { change(&$0.script) } }

    /// Runs `body` with a server that listens as long as it runs.
    static func run<Value: Sendable>(
        _ script: Script, _ body: @escaping @Sendable (TestHub) async throws -> Value
    ) async throws -> Value {
        let hub = TestHub(script)
        var logger = Logger(label: "test-hub")
        logger.logLevel = .critical
        let (ready, readyNow) = AsyncStream<Int>.makeStream()
        let application = Application(
            responder: CallbackResponder<BasicRequestContext> { request, _ in try await hub.respond(request) },
            configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in readyNow.yield(channel.localAddress?.port ?? 0) },
            logger: logger)
        return try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask {
                try? await application.runService(gracefulShutdownSignals: [])
                readyNow.finish()
                return nil
            }
            group.addTask {
                for await port in ready {
                    hub.bound.withLock { $0 = port }
                    return try await body(hub)
                }
                throw Cut()
            }
            defer { group.cancelAll() }
            while let value = try await group.next() {
                if let value { return value }
            }
            throw Cut()
        }
    }

    private func respond(_ request: Request) async throws -> Response {
        let path = request.uri.path.removingPercentEncoding ?? request.uri.path
        let seen = Seen(
            method: request.method.rawValue, path: path, range: request.headers[.range],
            authorization: request.headers[.authorization])
        let (script, failure, cut) = state.withLock { state in
            state.seen.append(seen)
            let failure = state.script.failures.isEmpty ? nil : state.script.failures.removeFirst()
            let isFile = seen.method == "GET" && !path.hasPrefix("/api/") && failure == nil
            let cut = isFile && !state.script.cuts.isEmpty ? state.script.cuts.removeFirst() : nil
            return (state.script, failure, cut)
        }
        if let failure { return Response(status: .init(code: failure)) }
        if let token = script.token, seen.authorization != "Bearer \(token)" { return Response(status: .unauthorized) }

        if path == "/api/models/OWNER/REPO/revision/main" {
            let names = script.listing ?? script.files.keys.sorted()
            let siblings = names.map { name in
                #"{"rfilename":"\#(name.replacing("\\", with: "\\\\").replacing("\u{0}", with: "\\u0000"))"}"#
            }
            let json = #"{"id":"OWNER/REPO","siblings":[\#(siblings.joined(separator: ","))]}"#
            return Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: json)))
        }
        let prefixes = ["/OWNER/REPO/resolve/main/", "/storage/"]
        guard let prefix = prefixes.first(where: { path.hasPrefix($0) }),
            let file = script.files.first(where: { $0.key == path.dropFirst(prefix.count) })
        else { return Response(status: .notFound) }
        return try await content(file.value, file.key, seen, script, cut)
    }

    private func content(
        _ content: [UInt8], _ name: String, _ seen: Seen, _ script: Script, _ cut: Int?
    ) async throws -> Response {
        var headers = HTTPFields()
        func set(_ name: String, _ value: String) {
            if let name = HTTPField.Name(name) { headers[name] = value }
        }
        let etag =
            script.etag ?? SHA256.hash(data: content).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        if !etag.isEmpty { set(script.isLinked ? "X-Linked-Etag" : "ETag", "\"\(etag)\"") }
        if script.isLinked { set("X-Linked-Size", "\(content.count)") }
        if let storage = script.storage {
            set("Location", "\(storage)/storage/\(name)")
            return Response(status: .found, headers: headers)
        }
        set("Accept-Ranges", "bytes")
        if seen.method == "HEAD" {
            set("Content-Length", "\(content.count)")
            return Response(status: .ok, headers: headers)
        }
        var start = 0
        var status = HTTPResponse.Status.ok
        if !script.ignoresRange, let range = seen.range, let from = Int(range.dropFirst("bytes=".count).dropLast()) {
            guard from < content.count else { return Response(status: .rangeNotSatisfiable) }
            start = from
            status = .partialContent
            set("Content-Range", "bytes \(start)-\(content.count - 1)/\(content.count)")
        }
        try await Task.sleep(for: script.delay)
        let body = Array(content[start...]) + Array(repeating: 0, count: script.excess)
        guard let cut else {
            return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: body)))
        }
        return Response(
            status: status, headers: headers,
            body: .init(contentLength: body.count) { writer in
                try await writer.write(ByteBuffer(bytes: body.prefix(cut)))
                throw Cut()
            })
    }
}

#if Server
import Foundation
import KvasirEngine
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import KvasirServer

struct LifecycleTests {
    /// Where a server listens, once it does.
    private final class Address: Sendable {
        private let value = Mutex<String?>(nil)
        var port: Int? { value.withLock { $0 }.flatMap { Int($0.split(separator: ":").last ?? "") } }
        func set(_ address: String) { value.withLock { $0 = address } }
    }

    private func settings() -> ServerSettings {
        var settings = ServerSettings()
        settings.port = 0
        settings.graceTime = .milliseconds(300)
        return settings
    }

    @Test func aServerAnswersWhileItLoadsAndEndsWhatIsLeftWhenItStops() async throws {
        let backend = try FakeBackend { _, _ in [.hang] }
        let address = Address()
        let (gate, open) = AsyncStream<Void>.makeStream()
        let server = try InferenceServer(
            settings: settings(), logger: TestServer.logger, onListening: address.set
        ) {
            for await _ in gate { break }
            return backend
        }
        let group = ServiceGroup(
            configuration: .init(services: [server], logger: TestServer.logger))
        let running = Task { try await group.run() }
        #expect(await eventually { address.port != nil })
        let port = try #require(address.port)
        let raw = try RawClient(port: port)
        try raw.send("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        #expect(await raw.receives("loading"))
        open.yield()
        var isReady = false
        for _ in 0..<500 where !isReady {
            try raw.send("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            isReady = await raw.receive().contains("200 OK")
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(isReady)

        try raw.post("/v1/completions", #"{"prompt":"a"}"#)
        #expect(await eventually { backend.requests.count == 1 })
        await group.triggerGracefulShutdown()
        // The request is let go on for the grace time, and then told why it ends.
        #expect(await raw.receives("503 "))
        try await running.value
        #expect(backend.isShutDown)
        #expect(throws: RawClient.Failure.self) { try RawClient(port: port) }
    }

    @Test func aModelThatCannotBeLoadedEndsTheServer() async throws {
        struct Broken: Error {}
        let server = try InferenceServer(settings: settings(), logger: TestServer.logger) { throw Broken() }
        await #expect(throws: Broken.self) { try await server.run() }
    }

    @Test func anAddressInUseIsAnError() async throws {
        let backend = try FakeBackend()
        let address = Address()
        let first = try InferenceServer(
            settings: settings(), logger: TestServer.logger, onListening: address.set
        ) { backend }
        let group = ServiceGroup(configuration: .init(services: [first], logger: TestServer.logger))
        let running = Task { try await group.run() }
        #expect(await eventually { address.port != nil })
        var taken = settings()
        taken.port = try #require(address.port)
        let second = try InferenceServer(settings: taken, logger: TestServer.logger) { backend }
        let error = await #expect(throws: ServerError.self) { try await second.run() }
        #expect(error?.reason == .cannotListen)
        await group.triggerGracefulShutdown()
        try await running.value
    }
}
#endif

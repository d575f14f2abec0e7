import Crypto
import Foundation
import Synchronization

@testable import KvasirHub

/// A directory of its own for one test.
struct Scratch: Sendable {
    let path: String

    /// Runs `body` with a new directory, and removes it afterwards.
    static func with<Value>(_ body: (Scratch) async throws -> Value) async throws -> Value {
        let path = NSTemporaryDirectory() + "kvasir-hub-tests-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try await body(Scratch(path: path))
    }

    /// Returns a store below this directory that tries nothing twice, unless told otherwise.
    func store(
        hub: TestHub? = nil, environment: [String: String] = [:], catalog: ModelCatalog = .builtIn, attempts: Int = 1
    ) throws -> ModelStore {
        var variables = ["XDG_CACHE_HOME": "\(path)/cache", "PATH": "\(path)/no-programs"]
        // Without a server of its own a test must not reach any: nothing listens on port 1.
        variables["HF_ENDPOINT"] = hub?.address ?? "http://127.0.0.1:1"
        variables.merge(environment) { $1 }
        return try ModelStore(
            environment: variables, catalog: catalog,
            retry: RetryPolicy(attempts: attempts, firstPause: .milliseconds(1)))
    }

    /// Everything below the store's hidden directories and beside the finished models.
    func leftovers(of store: ModelStore) -> [String] {
        let staging = "\(store.root)/.staging"
        return ((try? FileManager.default.subpathsOfDirectory(atPath: staging)) ?? []).sorted()
    }
}

/// Bytes that differ everywhere, so that a misplaced piece shows.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
}

func sha256(_ bytes: [UInt8]) -> String {
    SHA256.hash(data: bytes).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

func contents(_ path: String) -> [UInt8]? {
    FileManager.default.contents(atPath: path).map { Array($0) }
}

/// Runs `body` and returns the `HubError` it throws.
func hubError(_ body: () async throws -> some Any) async -> HubError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? HubError
    }
}

/// Keeps every state a pull reports.
final class Recorder: Sendable {
    private let kept = Mutex<[PullProgress]>([])
    private let onChange: @Sendable ([PullProgress]) -> Void

    /// Creates a recorder that calls `onChange` with all states after each.
    init(onChange: @escaping @Sendable ([PullProgress]) -> Void = { _ in }) { self.onChange = onChange }

    var states: [PullProgress] { kept.withLock { $0 } }
    var handler: PullProgressHandler {
        { state in
            self.kept.withLock { kept in
                kept.append(state)
                self.onChange(kept)
            }
        }
    }
}

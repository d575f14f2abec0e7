import Foundation

/// The files of a model folder, as repositories publish models in safetensors format.
enum ModelFolder {
    /// Files beside the weights that say what the model and its tokenizer are.
    private static let descriptions: Set<String> = [
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
        "special_tokens_map.json", "vocab.json", "merges.txt", "chat_template.jinja",
    ]
    private static let single = "model.safetensors"
    private static let index = "model.safetensors.index.json"

    /// The files to fetch of those a repository holds, its other formats left out; nil if it holds no such model.
    static func files(among names: [String]) -> [String]? {
        guard names.contains("config.json") else { return nil }
        let weights =
            names.contains(single)
            ? [single]
            : names.filter { $0 == index || $0.hasPrefix("model-") && $0.hasSuffix(".safetensors") }
        guard weights.contains(where: { $0.hasSuffix(".safetensors") }) else { return nil }
        return names.filter(descriptions.contains).sorted() + weights.sorted()
    }

    /// Whether a repository holds its weights in a form that is not read.
    static func holdsPickles(_ names: [String]) -> Bool {
        names.contains { $0.hasPrefix("pytorch_model") || $0.hasSuffix(".pth") || $0.hasSuffix(".pt") }
    }

    /// The bytes of the files in a folder, not counting folders within it.
    static func bytes(of path: String) -> Int64 {
        ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).reduce(0) { sum, name in
            sum + (regularFileSize("\(path)/\(name)") ?? 0)
        }
    }
}

extension ModelStore {
    /// Fetches all files of a model folder, one after another.
    func pullFolder(
        _ hub: HubReference, files: [String], with download: HubDownload
    ) async throws(HubError) -> StoredModel {
        for file in files { _ = try await pull(try hub.naming(file: file), with: download) }
        // Last: with the record, the folder counts as complete.
        try ModelRecord(folder: files).write(to: layout.recordPath(StoreLayout.key(hub.description)))
        guard let model = storedFolder(hub) else {
            throw HubError(
                .fileFailed, received: "files of \(hub) vanished right after they were fetched",
                remedy: "run the command again")
        }
        return model
    }

    /// The folder of a repository, if all its files are here.
    func storedFolder(_ hub: HubReference) -> StoredModel? {
        guard let names = ModelRecord(path: layout.recordPath(StoreLayout.key(hub.description)))?.folder else {
            return nil
        }
        let files = names.compactMap { stored(hub, file: $0) }
        guard files.count == names.count, !files.isEmpty else { return nil }
        let verified = files.compactMap(\.verified)
        return StoredModel(
            name: hub.description, path: "\(layout.hubDirectory)/\(hub.owner)/\(hub.repository)",
            bytes: files.reduce(0) { $0 + $1.bytes }, source: "Hugging Face hub", sha256: nil,
            // A folder is as verified as the least of its files.
            verified: verified.count == files.count ? verified.min() : nil)
    }
}

internal import Foundation
internal import KvasirJSON
internal import KvasirTokenizers
internal import KvasirWeights

/// The tokenizer's files in a Hugging Face model folder, and the chat template.
struct TokenizerFolder {
    /// The folder's path as given.
    let path: String

    private let configuration: JSONValue?
    private let settings: TokenizerSettings

    /// Reads the settings.
    ///
    /// - Throws: `EngineError` for a settings file that is no JSON object, `MappedFileError` for one that cannot be read.
    init(path: String) throws {
        self.path = path
        configuration = try Self.json("tokenizer_config.json", in: path)
        settings = TokenizerSettings(
            configuration: configuration, specialTokens: try Self.json("special_tokens_map.json", in: path))
    }

    /// The vocabulary: from tokenizer.json, else from tokenizer.model, else from vocab.json and merges.txt.
    ///
    /// - Throws: `EngineError` if the folder has none of these, else what the file at hand throws.
    func vocabulary() throws -> TokenizerVocabulary {
        var vocabulary: TokenizerVocabulary
        if let file = try file("tokenizer.json") {
            vocabulary = try TokenizerVocabulary(tokenizerJSON: file, settings: settings)
        } else if let file = try file("tokenizer.model") {
            vocabulary = try TokenizerVocabulary(sentencePieceModel: file, settings: settings)
        } else if let tokens = try file("vocab.json"), let merges = try file("merges.txt") {
            vocabulary = try TokenizerVocabulary(vocabularyJSON: tokens, merges: merges, settings: settings)
        } else {
            throw EngineError(
                .missingFile, received: "\(path): no tokenizer",
                remedy: "expected tokenizer.json, tokenizer.model, or vocab.json and merges.txt; fetch the whole folder"
            )
        }
        // What ends generation is said beside the weights; the tokenizer's files know one token at most.
        for name in ["generation_config.json", "config.json"] {
            guard FileManager.default.fileExists(atPath: place(name)) else { continue }
            let ids = try ModelConfiguration(path: place(name)).integers(ifPresent: "eos_token_id") ?? []
            for id in ids {
                guard let id = Int32(exactly: id), id >= 0, id < vocabulary.tokens.count else {
                    throw EngineError(
                        .inconsistentFile, received: "\(place(name)): eos_token_id = \(id)",
                        remedy: "the tokenizer has \(vocabulary.tokens.count) tokens; the files do not fit together")
                }
                vocabulary.endOfGenerationIDs.insert(id)
            }
        }
        return vocabulary
    }

    /// The chat template: chat_template.jinja, else what tokenizer_config.json has; nil if there is none.
    ///
    /// - Throws: `MappedFileError` if the file cannot be read.
    func chatTemplate() throws -> String? {
        let name = "chat_template.jinja"
        if FileManager.default.fileExists(atPath: place(name)) {
            let file = try MappedFile(path: place(name))
            return withExtendedLifetime(file) { String(decoding: file.bytes, as: UTF8.self) }
        }
        guard let template = configuration?["chat_template"] else { return nil }
        if let text = template.string { return text }
        // Several by name; the default one is for plain conversations.
        return (template.array ?? []).first { $0["name"]?.string == "default" }?["template"]?.string
    }

    private func place(_ name: String) -> String { Self.place(name, in: path) }

    private static func place(_ name: String, in path: String) -> String {
        (path as NSString).appendingPathComponent(name)
    }

    /// A file of the folder, mapped; nil if there is none.
    private func file(_ name: String) throws -> FileBytes? {
        guard FileManager.default.fileExists(atPath: place(name)) else { return nil }
        let file = try MappedFile(path: place(name))
        return FileBytes(path: file.path, bytes: file.bytes, owner: file)
    }

    private static func json(_ name: String, in path: String) throws -> JSONValue? {
        let path = place(name, in: path)
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let file = try MappedFile(path: path)
        do {
            return try withExtendedLifetime(file) { () throws(JSONError) in try JSONValue(parsing: file.bytes) }
        } catch {
            throw EngineError(
                .inconsistentFile, received: "\(path): \(error)", remedy: "the file is damaged, fetch it again")
        }
    }
}

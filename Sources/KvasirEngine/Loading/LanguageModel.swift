internal import Foundation
public import KvasirModels
public import KvasirNumerics
public import KvasirTokenizers
internal import KvasirWeights

/// A model ready to run: its weights and its tokenizer, read from one file or one folder.
public final class LanguageModel: Sendable {
    /// The decoder.
    public let decoder: any DecoderModel
    /// The tokenizer of the same file or folder.
    public let tokenizer: any Tokenizer
    /// The path of the file or folder.
    public let path: String

    private let chatTemplateSource: String?

    /// Loads a GGUF file, or a Hugging Face model folder: config.json, safetensors and the tokenizer's files.
    ///
    /// - Parameters:
    ///   - path: where the file or folder is.
    ///   - threads: used to repack the weights.
    /// - Throws: `GGUFError`, `SafetensorsError`, `ModelConfigurationError`, `MappedFileError`, `WeightError`,
    ///   `ModelError`, `TokenizerFileError`, `TokenizerError` or `EngineError`, whichever says best what is wrong.
    public init(path: String, threads: ThreadPool) throws {
        var isDirectory: ObjCBool = false
        // A path that leads nowhere is for the file's reader to report.
        _ = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
        let checkpoint: Checkpoint
        // The vocabulary first: it is quick to check, the weights are not.
        if isDirectory.boolValue {
            let configuration = try Self.configuration(path)
            let folder = try TokenizerFolder(path: path)
            tokenizer = try folder.vocabulary().tokenizer()
            chatTemplateSource = try folder.chatTemplate()
            checkpoint = try Checkpoint(
                huggingFace: SafetensorsFolder(path: path), configuration: configuration, name: Self.name(path))
        } else if path.hasSuffix(".safetensors") {
            throw EngineError(
                .missingFile, received: "\(path) holds weights only",
                remedy: "give the folder it lies in, with config.json and the tokenizer's files")
        } else {
            let file = try GGUFFile(path: path)
            tokenizer = try TokenizerVocabulary(file).tokenizer()
            chatTemplateSource = try file.metadata.string(ifPresent: "tokenizer.chat_template")
            checkpoint = try Checkpoint(file)
        }
        decoder = try ModelLoader.load(checkpoint, threads: threads)
        self.path = path
        guard tokenizer.vocabularySize <= decoder.info.vocabularySize else {
            throw EngineError(
                .inconsistentFile, received: "\(tokenizer.vocabularySize) tokens",
                remedy: "the embedding has \(decoder.info.vocabularySize) rows; the model is inconsistent, use another")
        }
    }

    /// The file's name without directory and extension, or the folder's name.
    public var fileName: String {
        path.hasSuffix(".gguf") ? URL(filePath: path).deletingPathExtension().lastPathComponent : Self.name(path)
    }

    /// The template that turns a conversation into a prompt.
    ///
    /// - Throws: `ChatTemplateError` if the model has none, or one of an unknown family.
    public func chatTemplate() throws(ChatTemplateError) -> ChatTemplate {
        func text(_ id: Int32?) -> String? {
            id.flatMap { tokenizer.tokenBytes($0) }.map { String(decoding: $0, as: UTF8.self) }
        }
        return try ChatTemplate(
            source: chatTemplateSource, architecture: decoder.info.architecture, bosToken: text(tokenizer.bosID),
            eosToken: text(tokenizer.eosID))
    }

    private static func name(_ path: String) -> String { URL(filePath: path).standardizedFileURL.lastPathComponent }

    private static func configuration(_ path: String) throws -> ModelConfiguration {
        let place = (path as NSString).appendingPathComponent("config.json")
        guard FileManager.default.fileExists(atPath: place) else {
            throw EngineError(
                .missingFile, received: "\(path): no config.json",
                remedy: "give a GGUF file, or a folder with config.json, safetensors and the tokenizer's files")
        }
        return try ModelConfiguration(path: place)
    }
}

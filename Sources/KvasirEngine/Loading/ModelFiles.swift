internal import Foundation
public import KvasirModels
internal import KvasirTokenizers
internal import KvasirWeights

/// The files of a model, opened and not yet loaded: one GGUF file, or a Hugging Face folder with config.json, safetensors
/// and the tokenizer's files.
public struct ModelFiles: Sendable {
    /// Tensors and numbers.
    public let checkpoint: Checkpoint

    private let source: Source

    private enum Source: Sendable {
        case gguf(GGUFFile)
        case folder(path: String)
    }

    /// Opens a file or a folder.
    ///
    /// - Throws: `GGUFError`, `SafetensorsError`, `ModelConfigurationError`, `MappedFileError`, `ModelError` or `EngineError`,
    ///   whichever says best what is wrong.
    public init(path: String) throws {
        var isDirectory: ObjCBool = false
        // A path that leads nowhere is for the file's reader to report.
        _ = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
        if isDirectory.boolValue {
            source = .folder(path: path)
            let configuration = try Self.configuration(path)
            checkpoint = try Checkpoint(
                huggingFace: SafetensorsFolder(path: path), configuration: configuration, name: Self.name(path))
        } else if path.hasSuffix(".safetensors") {
            throw EngineError(
                .missingFile, received: "\(path) holds weights only",
                remedy: "give the folder it lies in, with config.json and the tokenizer's files")
        } else {
            let file = try GGUFFile(path: path)
            source = .gguf(file)
            checkpoint = try Checkpoint(file)
        }
    }

    /// The model's tokenizer, and the source of its chat template if it has one.
    func texts() throws -> (tokenizer: any Tokenizer, chatTemplate: String?) {
        switch source {
        case .gguf(let file):
            (
                try TokenizerVocabulary(file).tokenizer(),
                try file.metadata.string(ifPresent: "tokenizer.chat_template")
            )
        case .folder(let path):
            try {
                let folder = try TokenizerFolder(path: path)
                return (try folder.vocabulary().tokenizer(), try folder.chatTemplate())
            }()
        }
    }

    /// The name of a folder.
    static func name(_ path: String) -> String { URL(filePath: path).standardizedFileURL.lastPathComponent }

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

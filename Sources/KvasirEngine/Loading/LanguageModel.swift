internal import Foundation
public import KvasirModels
public import KvasirNumerics
public import KvasirTokenizers
internal import KvasirWeights

/// A model ready to run: its weights and its tokenizer, read from one file.
public final class LanguageModel: Sendable {
    /// The decoder.
    public let decoder: any DecoderModel
    /// The tokenizer of the same file.
    public let tokenizer: BytePairTokenizer
    /// The file's path.
    public let path: String

    /// Where the calibration lies that codecs with '/center' need; beside the model if nil.
    let calibrationPath: String?
    private let chatTemplateSource: String?

    /// Loads a GGUF file.
    ///
    /// - Parameters:
    ///   - path: where the file is.
    ///   - calibration: the file of a calibration; that beside the model is looked for if nil.
    ///   - threads: used to repack the weights.
    /// - Throws: `GGUFError`, `WeightError`, `ModelError`, `TokenizerError` or `EngineError`, whichever says best what is
    ///   wrong with the file.
    public init(path: String, calibration: String? = nil, threads: ThreadPool) throws {
        let file = try GGUFFile(path: path)
        // The vocabulary first: it is quick to check, the weights are not.
        tokenizer = try BytePairTokenizer(TokenizerVocabulary(file))
        decoder = try ModelLoader.load(file, threads: threads)
        chatTemplateSource = try file.metadata.string(ifPresent: "tokenizer.chat_template")
        self.path = path
        calibrationPath = calibration
        guard tokenizer.vocabularySize <= decoder.info.vocabularySize else {
            throw EngineError(
                .inconsistentFile, received: "\(tokenizer.vocabularySize) tokens",
                remedy: "the embedding has \(decoder.info.vocabularySize) rows; the file is inconsistent, use another")
        }
    }

    /// The file's name without directory and extension.
    public var fileName: String { URL(filePath: path).deletingPathExtension().lastPathComponent }

    /// The template that turns a conversation into a prompt.
    ///
    /// - Throws: `ChatTemplateError` if the model has none, or one of an unknown family.
    public func chatTemplate() throws(ChatTemplateError) -> ChatTemplate {
        try ChatTemplate(
            source: chatTemplateSource, architecture: decoder.info.architecture,
            bosToken: tokenizer.bosID.flatMap { tokenizer.tokenBytes($0) }.map { String(decoding: $0, as: UTF8.self) })
    }
}

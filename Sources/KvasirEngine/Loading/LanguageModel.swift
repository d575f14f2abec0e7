internal import Foundation
public import KvasirModels
public import KvasirNumerics
public import KvasirTokenizers
internal import Synchronization

/// A model ready to run: its weights and its tokenizer, read from one file or one folder.
public final class LanguageModel: Sendable {
    /// The decoder.
    public let decoder: DecoderModel
    /// The tokenizer of the same file or folder.
    public let tokenizer: any Tokenizer
    /// The path of the file or folder.
    public let path: String

    /// How the matrices of the layers are held.
    public let weights: WeightScheme
    /// The calibration that they were loaded with; nil if none was needed.
    public let weightCalibration: String?

    /// Whether the cache stores other values than the file's weights give.
    let hasSmoothedValues: Bool
    /// Calibration files that codecs are given in place of those beside the model.
    let calibrations: [String]
    private let chatTemplateSource: String?
    /// How long queries are by a short measurement, once there was one.
    private let measuredQueryNorms = Mutex<[[Float]]?>(nil)

    /// Loads a GGUF file, or a Hugging Face model folder: config.json, safetensors and the tokenizer's files.
    ///
    /// - Parameters:
    ///   - path: where the file or folder is.
    ///   - weights: how the matrices of the layers are held.
    ///   - calibrations: calibration files to use in place of those beside the model.
    ///   - threads: used to repack the weights.
    /// - Throws: `GGUFError`, `SafetensorsError`, `ModelConfigurationError`, `MappedFileError`, `WeightError`,
    ///   `ModelError`, `TokenizerFileError`, `TokenizerError`, `CalibrationError` or `EngineError`, whichever says best what
    ///   is wrong.
    public init(
        path: String, weights: WeightScheme = .file, calibrations: [String] = [], threads: ThreadPool
    ) throws {
        let files = try ModelFiles(path: path)
        // The vocabulary first: it is quick to check, the weights are not.
        (tokenizer, chatTemplateSource) = try files.texts()
        let preparation = try WeightPreparation(
            weights, path: path, checkpoint: files.checkpoint, calibrations: calibrations)
        decoder = try ModelLoader.load(files.checkpoint, conversion: preparation.conversion, threads: threads)
        self.weights = weights
        weightCalibration = preparation.calibration
        hasSmoothedValues = preparation.changesValues
        self.path = path
        self.calibrations = calibrations
        guard tokenizer.vocabularySize <= decoder.info.vocabularySize else {
            throw EngineError(
                .inconsistentFile, received: "\(tokenizer.vocabularySize) tokens",
                remedy: "the embedding has \(decoder.info.vocabularySize) rows; the model is inconsistent, use another")
        }
    }

    /// How long queries are, measured on a short text the first time: for a model without a calibration file.
    func shortQueryNorms(threads: ThreadPool, instructionSet: InstructionSet) throws -> [[Float]] {
        if let known = measuredQueryNorms.withLock({ $0 }) { return known }
        let norms = try QueryNormMeasurement.short(of: self, threads: threads, instructionSet: instructionSet)
        measuredQueryNorms.withLock { $0 = norms }
        return norms
    }

    /// The file's name without directory and extension, or the folder's name.
    public var fileName: String {
        path.hasSuffix(".gguf") ? URL(filePath: path).deletingPathExtension().lastPathComponent : ModelFiles.name(path)
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
}

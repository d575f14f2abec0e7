internal import Foundation
internal import KvasirCache
internal import KvasirCodecs
public import KvasirEngine
public import KvasirEvaluation
internal import KvasirModels
public import KvasirNumerics
internal import KvasirTokenizers

/// Learns the codebooks of a model: sequences of a text are run through it, what its layers store is recorded with the
/// gradients of the loss, and every group of channels is clustered.
///
/// Two steps, each of which can be stopped and goes on later with the same result: `record` and `learn`.
///
/// Source: Zhang et al., "KV Cache is 1 Bit Per Channel: Efficient Large Language Model Inference with Coupled
/// Quantization" (arXiv:2405.03917), section 3.
public struct CoupledMeasurement {
    /// How codebooks are made.
    public let settings: CoupledSettings
    /// What is run.
    public let text: CalibrationSequences

    private let model: LanguageModel
    private let source: String
    private let textSHA256: String
    private let threads: ThreadPool
    private let instructionSet: InstructionSet

    /// Prepares a measurement.
    ///
    /// - Parameters:
    ///   - bytes: the text.
    ///   - source: its name.
    /// - Throws: `CodecError` if a scheme does not divide the model's heads; `CalibrationError` if the text is too short or
    ///   the settings want more than it or the model has.
    public init(
        _ model: LanguageModel, text bytes: [UInt8], source: String, settings: CoupledSettings, threads: ThreadPool,
        instructionSet: InstructionSet
    ) throws {
        let info = model.decoder.info
        for scheme in settings.schemes { _ = try scheme.groups(ofHead: info.cacheShape.heads.headSize) }
        self.settings = settings
        self.model = model
        self.source = source
        self.threads = threads
        self.instructionSet = instructionSet
        textSHA256 = EvaluationFile.sha256(bytes)
        let tokenizer = model.tokenizer
        text = try CalibrationSequences(
            tokenizer.encode(bytes, addSpecial: true, parseSpecial: false), settings: settings,
            context: info.contextLength, first: tokenizer.addsBOS ? tokenizer.bosID : nil)
    }

    /// What tells one recording from another; schemes share a recording.
    ///
    /// - Parameter kvasirVersion: the version that records.
    /// - Throws: as `LanguageModel.fingerprint`.
    public func fingerprint(kvasirVersion: String) throws -> RunFingerprint {
        RunFingerprint(
            kind: ResultKind(rawValue: "calibration"),
            parts: [
                "kvasir version": kvasirVersion, "instruction set": instructionSet.rawValue,
                "model": try model.fingerprint(), "text": textSHA256, "sequences": String(text.sequences.count),
                "length": String(text.length), "weights": settings.weights.rawValue,
                "keys": settings.keySpace.rawValue,
            ])
    }

    /// Codebooks that `learn` makes: of the keys and values of every layer for every scheme.
    public var codebookCount: Int { settings.schemes.count * 2 * model.decoder.info.cacheShape.layers }

    // MARK: Recording

    /// Runs the sequences that are not in the folder yet.
    ///
    /// - Parameters:
    ///   - folder: there already; takes a file a sequence.
    ///   - run: keeps what is done.
    /// - Throws: `CalibrationError` if the folder has no room or cannot be written, or what the model computes is not finite;
    ///   `EvaluationCancelled`; `EvaluationError` if the run's journal fails; `CacheError` if there is no memory.
    public func record(into folder: String, run: EvaluationRun = EvaluationRun()) throws -> CoupledRecording {
        let shape = model.decoder.info.cacheShape
        var recording = CoupledRecording(
            folder: folder, layers: shape.layers, sequences: text.sequences.count, tokens: text.length,
            width: shape.heads.width, hasGradients: settings.weights == .fisher)
        let missing = text.sequences.indices.filter { !recording.has($0) }
        try recording.checkRoom(missing: missing.count)
        let pass = try GradientPass(model.decoder, instructionSet: instructionSet, threads: threads)
        run.begin(units: text.sequences.count)
        var losses = 0.0
        for (index, tokens) in text.sequences.enumerated() {
            losses += try run.unit("sequence \(index)") {
                try recording.write(index) { write in try record(tokens, pass, run, write) }
            }
            guard recording.has(index) else {
                throw CalibrationError(
                    .unreadable, received: "\(folder) lacks sequence \(index), which its journal has",
                    remedy: "remove the folder and run again")
            }
        }
        if recording.hasGradients { recording.loss = losses / Double(text.sequences.count) }
        return recording
    }

    /// - Returns: the loss; 0 if nothing is differentiated.
    private func record(
        _ tokens: [Int32], _ pass: GradientPass, _ run: EvaluationRun, _ write: (RecordedLayer) throws -> Void
    ) throws -> Double {
        let info = model.decoder.info
        let turns = settings.keySpace == .afterRotary && !info.rotary.isEmpty
        let turner = KeyTurner()
        func take(_ record: LayerRecord) throws {
            try run.checkCancellation()
            try write(
                turns
                    ? turner.turned(record, info.rotary[record.layer], headSize: info.cacheShape.heads.headSize)
                    : RecordedLayer(record))
        }
        guard settings.weights == .fisher else {
            try pass.record(tokens, onLayer: take)
            return 0
        }
        return try pass.backward(tokens, onLayer: take)
    }

    // MARK: Learning

    /// Learns codebooks of every scheme from a recording.
    ///
    /// - Returns: in the order of the schemes, with what they lose.
    /// - Throws: `CalibrationError` if the recording cannot be read; `EvaluationCancelled`; `EvaluationError` if the run's
    ///   journal fails; as `LanguageModel.fingerprint`.
    public func learn(from recording: CoupledRecording, run: EvaluationRun = EvaluationRun()) throws
        -> [LearnedCodebooks]
    {
        run.begin(units: codebookCount)
        return try settings.schemes.map { try learn($0, from: recording, run) }
    }

    private func learn(
        _ scheme: CoupledScheme, from recording: CoupledRecording, _ run: EvaluationRun
    ) throws -> LearnedCodebooks {
        let shape = model.decoder.info.cacheShape.heads
        let learner = CodebookLearner(
            scheme: scheme, iterations: settings.iterations, seed: settings.seed, instructionSet: instructionSet,
            threads: threads)
        var layers: [LayerCodebooks] = []
        var errors = (keys: CodebookError(), values: CodebookError())
        func part(_ part: CachedPart, _ layer: Int) throws -> LearnedPart {
            let name =
                "\(scheme), \(settings.iterations) iterations, seed \(settings.seed), \(settings.skipped) skipped"
            return try run.unit("\(name): \(part) of layer \(layer)") {
                let recorded = try recording.read(part, ofLayer: layer, skipped: settings.skipped)
                return try learner.learn(recorded, place: 2 * layer + (part == .keys ? 0 : 1)) {
                    try run.checkCancellation()
                }
            }
        }
        for layer in 0..<recording.layers {
            let (keys, values) = (try part(.keys, layer), try part(.values, layer))
            errors.keys += keys.error
            errors.values += values.error
            layers.append(
                LayerCodebooks(
                    keys: try keys.codebooks(scheme, shape), values: try values.codebooks(scheme, shape)))
        }
        let tokens = text.sequences.count * text.length
        let origin = try model.calibrationOrigin(
            source: "\(source), \(text.sequences.count) sequences of \(text.length) tokens", tokens: tokens)
        let calibration = CoupledCalibration(
            scheme: scheme, keySpace: settings.keySpace, origin: origin,
            settings: [
                "text_sha256": textSHA256, "sequences": String(text.sequences.count), "length": String(text.length),
                "skipped": String(settings.skipped), "weights": settings.weights.rawValue,
                "iterations": String(settings.iterations), "seed": String(settings.seed),
            ], layers: layers)
        return LearnedCodebooks(calibration: calibration, keyError: errors.keys, valueError: errors.values)
    }
}

/// Codebooks, and what they lose of what they were learned from.
public struct LearnedCodebooks: Sendable {
    /// The codebooks.
    public let calibration: CoupledCalibration
    /// What all keys lose.
    public let keyError: CodebookError
    /// What all values lose.
    public let valueError: CodebookError
}

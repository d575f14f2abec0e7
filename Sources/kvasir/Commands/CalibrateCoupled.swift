import ArgumentParser
import Foundation
import KvasirCalibration
import KvasirCodecs
import KvasirEngine
import KvasirEvaluation
import KvasirHub
import KvasirModels

/// `kvasir calibrate coupled`.
struct CalibrateCoupled: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coupled",
        abstract: "Learns the codebooks of a model, for the codecs 'cq-…'.",
        discussion: """
            Sequences of the text are run through the model, with the gradient of the loss for every key and value, and the \
            channels of every group are clustered. Minutes for a small model, once; the file is found again where it is \
            written, beside the model. What is done is kept in a folder beside the output while the command runs: the same \
            command goes on after an interruption. Use a text that nothing is evaluated on.
            """)

    @Option(help: ArgumentHelp("The text to learn from.", valueName: "file"), completion: .file())
    var text: String

    @Option(
        help: ArgumentHelp(
            "How many neighbouring channels share a code of how many bits: 2c8b, 4c8b, 8c8b, 8c10b, …; several separated by "
                + "commas share one run of the model.", valueName: "scheme,..."))
    var scheme = "4c8b"

    @Option(
        help: ArgumentHelp(
            "What a token counts for: fisher, by the squared gradient of the loss, or uniform, all the same.",
            valueName: "weights"))
    var weights = WeightsOption.fisher

    @Option(
        help: ArgumentHelp(
            "Which keys to learn: before-rotary, or after-rotary for codecs with '/post'.", valueName: "space"))
    var keys = KeySpaceOption.beforeRotary

    @Option(
        help: ArgumentHelp(
            "Sequences, spread evenly over the text. (default: 16, or more if a codebook wants more than they have)",
            valueName: "count"))
    var sequences: Int?

    @Option(
        help: ArgumentHelp(
            "Tokens of a sequence. (default: 2048, or what the model's context and the text have)", valueName: "tokens")
    )
    var length: Int?

    @Option(help: ArgumentHelp("The first tokens of every sequence that are not learned from.", valueName: "tokens"))
    var skip = 0

    @Option(help: ArgumentHelp("The most rounds of clustering.", valueName: "count"))
    var iterations = CoupledSettings.defaultIterations

    @Option(help: ArgumentHelp("What random numbers start from.", valueName: "number"))
    var seed: UInt64 = 0

    @Option(
        help: ArgumentHelp(
            "Where to write; with several schemes how the names begin, to which '.cq-SCHEME.safetensors' is added. "
                + "(default: MODEL.cq-SCHEME.safetensors, beside the model)", valueName: "file"),
        completion: .file())
    var output: String?

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Computing") var compute: ComputeOptions

    func validate() throws {
        do {
            _ = try settings()
        } catch {
            throw ValidationError("\(error)")
        }
    }

    private func settings() throws -> CoupledSettings {
        try CoupledSettings(
            schemes: scheme.split(separator: ",", omittingEmptySubsequences: false)
                .map { try CoupledScheme(parsing: String($0)) }, keySpace: keys.space, weights: weights.weights,
            sequences: sequences, length: length,
            skipped: skip, iterations: iterations, seed: seed)
    }

    func run() async throws {
        let settings = try settings()
        let instructionSet = try compute.instructionSet()
        let threads = try compute.threadPool()
        let reference = try model.reference()
        let bytes = try EvaluationFile.read(text)
        let interrupts = Interrupts()
        let file = try await ModelFetcher().fetch(reference, interrupts: interrupts)
        let paths = paths(settings, model: file.path)
        for path in paths { try EvaluationFile.checkWritable(path) }
        let loaded = try file.load(threads: threads)
        let measurement = try CoupledMeasurement(
            loaded, text: bytes, source: TextOptions.name(of: text), settings: settings, threads: threads,
            instructionSet: instructionSet)
        let work = try UnfinishedCalibration(
            beside: paths.count == 1 ? paths[0] : (output ?? file.path) + ".cq",
            fingerprint: measurement.fingerprint(kvasirVersion: Version.current))
        if work.journal.resumedCount > 0 {
            Console.note("kvasir: going on with what \(work.folder) has")
        }
        let recording = try work.step("sequence", interrupts) {
            try measurement.record(into: work.folder, run: $0)
        }
        let learned = try work.step("codebook", interrupts) { try measurement.learn(from: recording, run: $0) }
        for (path, codebooks) in zip(paths, learned) { try codebooks.calibration.write(to: path) }
        try work.remove()
        for (path, codebooks) in zip(paths, learned) { Console.write(line(codebooks, recording, path: path)) }
        try Console.check()
    }

    /// Where the codebooks of each scheme go.
    private func paths(_ settings: CoupledSettings, model: String) -> [String] {
        let kinds = settings.schemes.map { CalibrationKind.coupled($0, settings.keySpace) }
        if let output, kinds.count == 1 { return [output] }
        return kinds.map { $0.path(beside: output ?? model) }
    }

    private func line(_ learned: LearnedCodebooks, _ recording: CoupledRecording, path: String) -> String {
        let origin = learned.calibration.origin
        let loss = recording.loss.map { ", loss \($0.fixed(3))" } ?? ""
        return "\(learned.calibration.kind.name), \(weights.rawValue) weights, of \(origin.tokens.grouped) tokens "
            + "(\(origin.source)\(loss)): lost \((learned.keyError.relative * 100).fixed(2)) % of the keys' energy, "
            + "\((learned.valueError.relative * 100).fixed(2)) % of the values': \(path)\n"
    }
}

/// What tokens count for, as an option.
enum WeightsOption: String, ExpressibleByArgument, CaseIterable {
    case fisher, uniform

    var weights: CoupledSettings.Weights {
        switch self {
        case .fisher: .fisher
        case .uniform: .uniform
        }
    }
}

/// A form of the keys, as an option.
enum KeySpaceOption: String, ExpressibleByArgument, CaseIterable {
    case beforeRotary = "before-rotary"
    case afterRotary = "after-rotary"

    var space: KeySpace {
        switch self {
        case .beforeRotary: .beforeRotary
        case .afterRotary: .afterRotary
        }
    }
}

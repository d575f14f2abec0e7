import ArgumentParser
import KvasirCache
import KvasirCalibration
import KvasirCodecs
import KvasirEngine
import KvasirHub
import KvasirModels

/// `kvasir calibrate`: statistics of a model that some codecs, and 8-bit weights, need.
struct Calibrate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures what some codecs and 8-bit weights need to know of a model.",
        subcommands: [CalibrateCenter.self, CalibrateCoupled.self, CalibrateQaq.self, CalibrateSmoothQuant.self])
}

/// `kvasir calibrate center`.
struct CalibrateCenter: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "center",
        abstract: "Measures the mean keys of a model, for codecs with '/center'.",
        discussion: """
            The mean of a head's keys before rotary embedding need not be stored for every token: with it taken away, \
            4-bit keys lose a quarter to a half of what they lose with it. The measurement takes seconds, once per model; the file is \
            found again where it is written, beside the model. Without --text the model makes up the text itself.
            """)

    @OptionGroup var source: CalibrationText

    @Option(help: ArgumentHelp("The most tokens of the text to run.", valueName: "count"))
    var tokens = 4096

    @Option(
        help: ArgumentHelp("Where to write. (default: MODEL.center.safetensors, beside the model)", valueName: "file"),
        completion: .file())
    var output: String?

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Computing") var compute: ComputeOptions

    func validate() throws {
        if tokens < 1 { throw ValidationError("--tokens is \(tokens): run at least 1") }
    }

    func run() async throws {
        let instructionSet = try compute.instructionSet()
        let threads = try compute.threadPool()
        let reference = try model.reference()
        let bytes = try source.read()
        let file = try await ModelFetcher().fetch(reference, interrupts: Interrupts())
        let loaded = try file.load(threads: threads)
        let engine = try InferenceEngine(
            model: loaded, cache: CacheConfiguration(parsing: CenterMeasurement.cache),
            contextLength: CalibrationText.context(of: loaded),
            threads: threads, instructionSet: instructionSet)
        var measurement = try CenterMeasurement(engine: engine)
        let ran = try source.run(
            bytes, tokens: tokens, on: engine, sequence: { try measurement.add($0) },
            madeUp: { try $0.run(on: engine, into: &measurement) })
        let path = output ?? CalibrationKind.center.path(beside: file.path)
        try measurement.calibration(source: ran).write(to: path)
        Console.write("mean keys of \(measurement.tokens.grouped) tokens (\(ran)): \(path)\n")
        try Console.check()
    }
}

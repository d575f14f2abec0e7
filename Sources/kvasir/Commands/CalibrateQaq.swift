import ArgumentParser
import KvasirCache
import KvasirCalibration
import KvasirCodecs
import KvasirEngine
import KvasirHub
import KvasirModels

/// `kvasir calibrate qaq`.
struct CalibrateQaq: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "qaq",
        abstract: "Measures how long the queries of a model are, for keys with 'qaq'.",
        discussion: """
            How many bits a key needs depends on how long queries are: an error of the key reaches the score times the \
            query. Measured is what nine of ten queries stay below, for every layer and KV head; it takes seconds, once per \
            model, and the file is found again where it is written, beside the model. Without a file a short built-in text \
            is run whenever a cache with such keys is made. Without --text the model makes up the text itself.
            """)

    @OptionGroup var source: CalibrationText

    @Option(help: ArgumentHelp("The most tokens of the text to run.", valueName: "count"))
    var tokens = 4096

    @Option(
        help: ArgumentHelp("Where to write. (default: MODEL.qaq.safetensors, beside the model)", valueName: "file"),
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
            model: loaded, cache: CacheConfiguration(parsing: QueryNormMeasurement.cache),
            contextLength: CalibrationText.context(of: loaded),
            threads: threads, instructionSet: instructionSet)
        let measurement = QueryNormMeasurement(engine: engine)
        let ran = try source.run(
            bytes, tokens: tokens, on: engine, sequence: { try measurement.add($0) },
            madeUp: { try $0.run(on: engine) })
        let path = output ?? CalibrationKind.queryNorms.path(beside: file.path)
        try measurement.calibration(source: ran).write(to: path)
        Console.write("lengths of the queries of \(measurement.tokens.grouped) tokens (\(ran)): \(path)\n")
        try Console.check()
    }
}

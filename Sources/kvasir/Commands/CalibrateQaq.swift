import ArgumentParser
import KvasirCache
import KvasirCalibration
import KvasirCodecs
import KvasirEngine
import KvasirEvaluation
import KvasirHub
import KvasirModels
import KvasirTokenizers

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

    @Option(help: ArgumentHelp("A text to measure on.", valueName: "file"), completion: .file())
    var text: String?

    @Option(help: ArgumentHelp("The most tokens of the text to run.", valueName: "count"))
    var tokens = 4096

    @Option(help: ArgumentHelp("What a made-up text starts from.", valueName: "number"))
    var seed: UInt64 = 0

    @Option(
        help: ArgumentHelp("Where to write. (default: MODEL.qaq.safetensors, beside the model)", valueName: "file"),
        completion: .file())
    var output: String?

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Computing") var compute: ComputeOptions

    /// Tokens that run through the model as one sequence.
    private static let window = 512

    func validate() throws {
        if tokens < 1 { throw ValidationError("--tokens is \(tokens): run at least 1") }
    }

    func run() async throws {
        let instructionSet = try compute.instructionSet()
        let threads = try compute.threadPool()
        let reference = try model.reference()
        let bytes = try text.map(EvaluationFile.read)
        let file = try await ModelFetcher().fetch(reference, interrupts: Interrupts())
        let loaded = try file.load(threads: threads)
        let context = min(Self.window, loaded.decoder.info.contextLength)
        let engine = try InferenceEngine(
            model: loaded, cache: CacheConfiguration(parsing: QueryNormMeasurement.cache), contextLength: context,
            threads: threads, instructionSet: instructionSet)
        let measurement = QueryNormMeasurement(engine: engine)
        let source: String
        if let bytes, let text {
            let all = loaded.tokenizer.encode(bytes, addSpecial: true, parseSpecial: false).prefix(tokens)
            for start in stride(from: 0, to: all.count, by: context) {
                try measurement.add(Array(all[start..<min(start + context, all.count)]))
            }
            source = "\(text), \(all.count) tokens"
        } else {
            try SelfText(seed: seed).run(on: engine)
            source = "text of the model's own, seed \(seed)"
        }
        let path = output ?? CalibrationKind.queryNorms.path(beside: file.path)
        try measurement.calibration(source: source).write(to: path)
        Console.write("lengths of the queries of \(measurement.tokens.grouped) tokens (\(source)): \(path)\n")
        try Console.check()
    }
}

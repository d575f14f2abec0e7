import ArgumentParser
import KvasirCache
import KvasirCalibration
import KvasirEngine
import KvasirHub
import KvasirModels

/// `kvasir calibrate smoothquant`.
struct CalibrateSmoothQuant: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "smoothquant",
        abstract: "Measures the ranges of activations, for 8-bit weights and activations.",
        discussion: """
            A channel of the inputs of a linear layer that is much larger than the others leaves them few of the 256 levels \
            of a token. Its range is moved into the weights (SmoothQuant); how much of it says --alpha. 'kvasir generate \
            --weights w8a8' and the other commands find the file again where it is written, beside the model. Without --text \
            the model makes up the text itself.
            """)

    @OptionGroup var source: CalibrationText

    @Option(help: ArgumentHelp("The most tokens of the text to run.", valueName: "count"))
    var tokens = 16384

    @Option(
        help: ArgumentHelp("How much of the range goes into the weights: 0 for nothing, 1 for all.", valueName: "share")
    )
    var alpha: Float = 0.5

    @Option(
        help: ArgumentHelp(
            "Which inputs are smoothed, separated by commas: \(SmoothingSite.allCases.map(\.rawValue).joined(separator: ", ")). "
                + "The factors of attention-output go through the values in the cache.", valueName: "site,..."))
    var sites = SiteList(sites: Smoothing.usualSites)

    @Option(
        help: ArgumentHelp(
            "Where to write. (default: MODEL.smoothquant.safetensors, beside the model)", valueName: "file"),
        completion: .file())
    var output: String?

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Computing") var compute: ComputeOptions

    func validate() throws {
        if tokens < 1 { throw ValidationError("--tokens is \(tokens): run at least 1") }
        // Not a number fails as well.
        guard alpha >= 0, alpha <= 1 else { throw ValidationError("--alpha is \(alpha): give a number from 0 to 1") }
    }

    func run() async throws {
        let instructionSet = try compute.instructionSet()
        let threads = try compute.threadPool()
        let reference = try model.reference()
        let bytes = try source.read()
        let file = try await ModelFetcher().fetch(reference, interrupts: Interrupts())
        let loaded = try file.load(threads: threads)
        let engine = try InferenceEngine(
            model: loaded, cache: CacheConfiguration(parsing: SmoothQuantMeasurement.cache),
            contextLength: CalibrationText.context(of: loaded),
            threads: threads, instructionSet: instructionSet, precision: .float32)
        var measurement = SmoothQuantMeasurement(engine: engine)
        let ran = try source.run(
            bytes, tokens: tokens, on: engine, sequence: { try measurement.add($0) },
            madeUp: { try $0.run(on: engine, into: &measurement) })
        let path = output ?? SmoothQuantCalibration.path(beside: file.path)
        try measurement.calibration(source: ran, alpha: alpha, sites: sites.sites).write(to: path)
        Console.write(
            "ranges of activations over \(measurement.tokens.grouped) tokens (\(ran)), alpha \(alpha): \(path)\n")
        try Console.check()
    }
}

/// Sites separated by commas, as an option.
struct SiteList: ExpressibleByArgument {
    let sites: Set<SmoothingSite>

    init(sites: Set<SmoothingSite>) { self.sites = sites }

    init?(argument: String) {
        var sites: Set<SmoothingSite> = []
        for name in argument.split(separator: ",", omittingEmptySubsequences: false) {
            guard let site = SmoothingSite(rawValue: String(name)) else { return nil }
            sites.insert(site)
        }
        self.sites = sites
    }

    var defaultValueDescription: String {
        SmoothingSite.allCases.filter(sites.contains).map(\.rawValue).joined(separator: ",")
    }
}

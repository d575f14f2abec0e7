import ArgumentParser
import KvasirCache
import KvasirEngine
import KvasirEvaluation
import KvasirHub
import KvasirModels
import KvasirNumerics
import KvasirTokenizers
import KvasirWeights

/// `kvasir explain`: the plan of a cache, and with a text what a run makes of it.
struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows how a model's cache would be stored and what it would take.",
        discussion: """
            Reads the model's metadata only: it loads no weights and takes no cache memory. Where bits follow attention \
            (qaq) what is shown is the most, and where a query reads bits by need (aligned, aligned8) all it can; with \
            --text the model reads the text's first tokens, as many as the context holds, and the bits that its tokens \
            then have, or that they read, are shown.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Cache") var cache: CacheOptions
    @OptionGroup(title: "Cache") var context: ContextOptions

    @Option(
        help: ArgumentHelp("A text to run where bits follow attention or need.", valueName: "file"), completion: .file()
    )
    var text: String?

    @Flag(help: "Prints one JSON object.")
    var json = false

    func run() async throws {
        let configuration = try cache.configuration()
        let budget = try cache.budget()
        let reference = try model.reference()
        let instructionSet = try ComputeOptions().instructionSet()
        let file = try await ModelFetcher().fetch(reference, interrupts: Interrupts())
        let checkpoint = try ModelFiles(path: file.path).checkpoint
        let info = try ModelLoader.info(checkpoint)
        let statistics = try info.statistics(
            for: configuration, of: checkpoint.tensors, path: file.path, calibrations: cache.statistics.calibration)
        let plan = try CachePlan(
            configuration, shape: info.cacheShape, statistics: statistics, instructionSet: instructionSet)
        let length = try InferenceEngine.contextLength(context.context, for: info)
        guard text == nil || plan.isAdaptive || plan.isSelective else {
            throw UsageError(
                message: "--text shows bits that follow attention or need, which no layer of \(configuration) has")
        }
        let outcome: (plan: CachePlan, adaptive: AdaptiveFigures?)? = try text.map {
            try run($0, file: file, configuration, budget: budget, length: length, instructionSet: instructionSet)
        }
        let report = CacheReport(
            info: info, path: file.path, plan: outcome?.plan ?? plan, context: length, budget: budget,
            adaptive: outcome?.adaptive)
        if text == nil { report.plan.noteWarnings() }
        if json {
            try JSONOutput.write(report.object)
        } else {
            Console.write(report.text + "\n")
            try Console.check()
        }
    }

    /// Runs the beginning of a text and looks at the bits of its tokens; the plan counts what they read.
    private func run(
        _ text: String, file: StoredModel, _ configuration: CacheConfiguration, budget: Int?, length: Int,
        instructionSet: InstructionSet
    ) throws -> (plan: CachePlan, adaptive: AdaptiveFigures?) {
        let bytes = try EvaluationFile.read(text)
        let threads = try ThreadPool(threadCount: ThreadPool.defaultThreadCount)
        let model = try file.load(calibrations: cache.statistics.calibration, threads: threads)
        let engine = try InferenceEngine(
            model: model, cache: configuration, contextLength: length, cacheBudget: budget ?? .max, threads: threads,
            instructionSet: instructionSet)
        engine.plan.noteWarnings()
        let tokens = model.tokenizer.encode(bytes, addSpecial: true, parseSpecial: false)
        let sequence = engine.makeSequence()
        try engine.prefill(tokens.prefix(length), into: sequence)
        return (engine.plan, AdaptiveFigures(sequence))
    }
}

import ArgumentParser
import KvasirCache
import KvasirEngine
import KvasirHub
import KvasirModels
import KvasirNumerics
import KvasirWeights

/// `kvasir explain`: the plan of a cache, without running anything.
struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows how a model's cache would be stored and what it would take.",
        discussion: "Reads the model's metadata only: it loads no weights and takes no cache memory.")

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Cache") var cache: CacheOptions
    @OptionGroup(title: "Cache") var context: ContextOptions

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
        let report = CacheReport(
            info: info, path: file.path,
            plan: try CachePlan(
                configuration, shape: info.cacheShape, statistics: statistics, instructionSet: instructionSet),
            context: try InferenceEngine.contextLength(context.context, for: info), budget: budget)
        report.plan.noteWarnings()
        if json {
            try JSONOutput.write(report.object)
        } else {
            Console.write(report.text + "\n")
            try Console.check()
        }
    }
}

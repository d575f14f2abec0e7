import ArgumentParser
import KvasirCache
import KvasirEngine
import KvasirEvaluation
import KvasirHub
import KvasirModels
import KvasirNumerics

/// `kvasir bench`.
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Times prefill and decode.",
        discussion: """
            The caches take turns, so compare the figures of one run with each other. Decode: \
            \(ThroughputCell.decodeTokens) tokens after the given number of cached ones. Batch: that many sequences with \
            prompts of \(ThroughputCell.batchPrompt) tokens generate \(ThroughputCell.batchTokens) each; the figure is their \
            total. Beside the speeds stand what the machine's memory would permit, and the most memory the process held.
            """)

    @Option(
        help: ArgumentHelp(
            "Codecs of the caches to time, separated by commas; may be given more than once.", valueName: "spec,..."))
    var cache = [CacheList(argument: "f16,\(CacheConfiguration.default)")]

    @Option(help: ArgumentHelp("Cached tokens to decode after, separated by commas, or none.", valueName: "tokens"))
    var depth: Numbers = [0, 512, 2048]

    @Option(help: ArgumentHelp("Lengths of prompts to time, separated by commas, or none.", valueName: "tokens"))
    var prompt: Numbers = [512, 2048]

    @Option(help: ArgumentHelp("Numbers of sequences to decode together, separated by commas.", valueName: "count"))
    var batch: Numbers = []

    @Flag(
        help:
            "The sequences of a batch share the pages of one prompt, as a server's requests do that begin alike.")
    var sharedPrompt = false

    @Option(
        name: [.customLong("repeat"), .customShort("r")], help: ArgumentHelp("Runs of every cell.", valueName: "count"))
    var repeats = 3

    @Option(
        help: ArgumentHelp(
            "Threads that keep processors busy during every second run, to show how much speed is kept.",
            valueName: "count"))
    var neighbours = 0

    @OptionGroup var statistics: CalibrationOptions
    @OptionGroup var result: ResultOptions
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Model") var weights: WeightOptions
    @OptionGroup(title: "Computing") var compute: ComputeOptions

    func validate() throws {
        guard !sharedPrompt || !batch.values.isEmpty else {
            throw ValidationError(
                "--shared-prompt is about batches: say how many sequences with --batch, or leave it out")
        }
        do throws(EvaluationError) {
            _ = try benchmark()
        } catch {
            throw ValidationError(error.description)
        }
    }

    private func benchmark() throws(EvaluationError) -> ThroughputBenchmark {
        try ThroughputBenchmark(
            cells: depth.values.map { .decode(depth: $0) } + prompt.values.map { .prefill(prompt: $0) }
                + batch.values.map { .batch(sequences: $0, sharesPrompt: sharedPrompt) }, repeats: repeats,
            neighbours: neighbours)
    }

    func run() async throws {
        let benchmark = try benchmark()
        let configurations = try cache.configurations()
        try result.check()
        let isAlone = configurations.count == 1
        let instructionSet = try compute.instructionSet()
        let threads = try compute.threadPool()
        let file = try await ModelFetcher().fetch(try model.reference(), interrupts: Interrupts())
        let (loaded, loadingPeak) = try PeakMemory.during {
            try file.load(weights: weights.weights, calibrations: statistics.calibration, threads: threads)
        }
        let engines = try configurations.map {
            try InferenceEngine(model: loaded, cache: $0, threads: threads, instructionSet: instructionSet)
        }
        for engine in engines { engine.plan.noteWarnings() }
        try benchmark.check(engines: engines)
        let model = try ModelDescription(loaded, caches: configurations)
        let bandwidth = MemoryBandwidth.measure(threads: threads)
        var cells: [ThroughputReport.Cell] = []
        try benchmark.run(engines: engines) { measured in
            let cell = ThroughputReport.Cell(measured, bandwidth: bandwidth, isAlone: isAlone)
            if !result.json {
                // Rows appear as they are known.
                if cells.isEmpty {
                    Console.write(ThroughputReport.Cell.heading(neighbours: neighbours, isAlone: isAlone))
                }
                Console.write(cell.line)
            }
            cells.append(cell)
        }
        let report = ThroughputReport(
            weightBytes: loaded.decoder.weightBytes, memoryBandwidth: bandwidth,
            loadingPeak: isAlone ? loadingPeak.map { .init($0) } : nil, cells: cells)
        let settings = ThroughputSettings(
            repeats: repeats, neighbours: neighbours, depths: depth.values, prompts: prompt.values,
            batches: batch.values)
        let document = try ResultDocument(
            kind: .throughput, settings: settings, results: report, model: model, instructionSet: instructionSet,
            threads: threads)
        try result.deliver(document, text: report.notes(settings, model: model, machine: document.machine))
    }
}

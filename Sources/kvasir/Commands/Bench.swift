import ArgumentParser
import KvasirCache
import KvasirEngine
import KvasirEvaluation
import KvasirHub
import KvasirNumerics

/// `kvasir bench`.
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Times prefill and decode.",
        discussion: """
            The caches take turns, so compare the figures of one run with each other. Decode: \
            \(ThroughputCell.decodeTokens) tokens after the given number of cached ones. Batch: that many sequences with \
            prompts of \(ThroughputCell.batchPrompt) tokens generate \(ThroughputCell.batchTokens) each; the figure is their \
            total.
            """)

    @Option(help: ArgumentHelp("Codec of a cache to time; may be given more than once.", valueName: "spec"))
    var cache: [String] = ["f16", "nf4"]

    @Option(help: ArgumentHelp("Cached tokens to decode after, separated by commas.", valueName: "tokens"))
    var depth: Numbers = [0, 512, 2048]

    @Option(help: ArgumentHelp("Lengths of prompts to time, separated by commas.", valueName: "tokens"))
    var prompt: Numbers = [512, 2048]

    @Option(help: ArgumentHelp("Numbers of sequences to decode together, separated by commas.", valueName: "count"))
    var batch: Numbers = []

    @Option(
        name: [.customLong("repeat"), .customShort("r")], help: ArgumentHelp("Runs of every cell.", valueName: "count"))
    var repeats = 3

    @Flag(help: "Prints one JSON object.")
    var json = false

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Computing") var compute: ComputeOptions

    func validate() throws {
        do throws(EvaluationError) {
            _ = try benchmark()
        } catch {
            throw ValidationError(error.description)
        }
    }

    private func benchmark() throws(EvaluationError) -> ThroughputBenchmark {
        try ThroughputBenchmark(
            cells: depth.values.map { .decode(depth: $0) } + prompt.values.map { .prefill(prompt: $0) }
                + batch.values.map { .batch(sequences: $0) }, repeats: repeats)
    }

    func run() async throws {
        let benchmark = try benchmark()
        let configurations = try cache.map { try CacheConfiguration(parsing: $0) }
        let instructionSet = try compute.instructionSet()
        let threads = try compute.threadPool()
        let file = try await ModelFetcher().fetch(try model.reference(), interrupts: Interrupts())
        let loaded = try LanguageModel(path: file.path, threads: threads)
        let engines = try configurations.map {
            try InferenceEngine(model: loaded, cache: $0, threads: threads, instructionSet: instructionSet)
        }
        var rows: [Row] = []
        try benchmark.run(engines: engines) { result in
            rows.append(Row(result))
            if !json { Console.write(rows.count == 1 ? Row.heading + Row(result).line : Row(result).line) }
        }
        if json {
            try JSONOutput.write(
                Report(
                    model: loaded.fileName, threads: threads.threadCount, instructionSet: instructionSet.rawValue,
                    results: rows))
        } else {
            Console.write("\n\(loaded.fileName), \(threads.threadCount) threads, \(instructionSet)\n")
            try Console.check()
        }
    }
}

/// Whole numbers separated by commas.
struct Numbers: ExpressibleByArgument, ExpressibleByArrayLiteral {
    let values: [Int]

    init?(argument: String) {
        var values: [Int] = []
        for word in argument.split(separator: ",", omittingEmptySubsequences: false) {
            guard let value = Int(word) else { return nil }
            values.append(value)
        }
        self.values = values
    }

    init(arrayLiteral elements: Int...) { values = elements }

    var defaultValueDescription: String {
        values.isEmpty ? "none" : values.map(String.init).joined(separator: ",")
    }
}

private struct Report: Encodable {
    let model: String
    let threads: Int
    let instructionSet: String
    let results: [Row]
}

private struct Row: Encodable {
    let test: String
    let tokens: Int
    let sequences: Int
    let cache: String
    let cacheBytes: Int
    let median: Double
    let minimum: Double
    let maximum: Double

    init(_ result: ThroughputResult) {
        switch result.cell {
        case .decode(let depth): (test, tokens) = ("decode", depth)
        case .prefill(let prompt): (test, tokens) = ("prefill", prompt)
        case .batch: (test, tokens) = ("batch", ThroughputCell.batchPrompt)
        }
        sequences = result.cell.sequences
        cache = result.cache.description
        cacheBytes = result.cacheBytes
        median = result.median
        minimum = result.tokensPerSecond.min() ?? 0
        maximum = result.tokensPerSecond.max() ?? 0
    }

    static let heading =
        "| test | cache | tokens/s | lowest | highest | cache bytes |\n| --- | --- | --- | --- | --- | --- |\n"

    var line: String {
        let name =
            switch test {
            case "decode": "decode after \(tokens)"
            case "prefill": "prefill of \(tokens)"
            default: "decode of \(sequences) sequences"
            }
        return "| \(name) | \(cache) | \(median.fixed(1)) | \(minimum.fixed(1)) | \(maximum.fixed(1)) | "
            + "\(cacheBytes.grouped) |\n"
    }
}

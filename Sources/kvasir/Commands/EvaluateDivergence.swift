import ArgumentParser
import Foundation
import KvasirCache
import KvasirEngine
import KvasirEvaluation
import KvasirModels

/// `kvasir evaluate divergence`.
struct EvaluateDivergence: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "divergence",
        abstract: "Compares caches with a reference, token by token.",
        discussion: """
            The text is cut into chunks as for perplexity. Over the same tokens, the next-token distribution of every cache \
            is compared with that of the reference: mean, median, 99th percentile and maximum of the Kullback-Leibler \
            divergence, the share of tokens whose most probable successor is the same, and the change of the perplexity \
            with its standard error. Linear layers run in float32, so that the cache alone is measured: with int8 the \
            rounding of activations adds a few thousandths to any change.
            """)

    @Option(help: ArgumentHelp("The text.", valueName: "file"), completion: .file())
    var text: String

    @Option(
        name: [.customLong("context"), .customShort("c")], help: ArgumentHelp("Tokens of a chunk.", valueName: "tokens")
    )
    var context = 512

    @Option(help: ArgumentHelp("Chunks to compare. (default: all of the text)", valueName: "count"))
    var chunks: Int?

    @Option(help: ArgumentHelp("The cache whose distributions are taken for true.", valueName: "spec"))
    var reference = "f16"

    @Option(
        help: ArgumentHelp("Caches to compare, separated by commas; may be given more than once.", valueName: "specs"))
    var cache: [CacheList] = [CacheList(argument: "nf4")]

    @Option(help: ArgumentHelp("How linear layers multiply: int8 or float32.", valueName: "precision"))
    var linear = LinearOption.float32

    @Flag(help: "Prints one JSON object.")
    var json = false

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Computing") var compute: ComputeOptions

    func validate() throws {
        do throws(EvaluationError) {
            _ = try DivergenceEvaluation(context: context, windows: chunks)
        } catch {
            throw ValidationError(error.description)
        }
    }

    func run() async throws {
        let evaluation = try DivergenceEvaluation(context: context, windows: chunks)
        let configurations = try cache.configurations()
        let truth = try CacheConfiguration(parsing: reference)
        let instructionSet = try compute.instructionSet()
        let threads = try compute.threadPool()
        let name = try model.reference()
        let bytes = try TextFile.read(text)
        let file = try await ModelFetcher().fetch(name, interrupts: Interrupts())
        let loaded = try LanguageModel(path: file.path, threads: threads)
        func engine(_ configuration: CacheConfiguration) throws -> InferenceEngine {
            try InferenceEngine(
                model: loaded, cache: configuration, contextLength: context, threads: threads,
                instructionSet: instructionSet, precision: linear.precision)
        }
        let subjects = try configurations.map(engine)
        let progress = EvaluationProgress()
        let (expected, results) = try evaluation.run(text: bytes, reference: engine(truth), subjects: subjects) {
            progress.update(chunk: $0, of: $1)
        }
        progress.finish()

        let rows = zip(results, subjects).map { DivergenceRow($0, plan: $1.plan) }
        if json {
            try JSONOutput.write(
                DivergenceReport(
                    reference: truth.description, referencePerplexity: expected.perplexity, tokens: expected.tokens,
                    chunks: expected.windows, context: context, model: loaded.fileName, linear: linear.rawValue,
                    results: rows))
            return
        }
        Console.write(DivergenceRow.heading + rows.map(\.line).joined())
        Console.write(
            "\n\(loaded.fileName), \(expected.windows) chunks of \(context) tokens, \(expected.tokens.grouped) tokens "
                + "compared; linear layers in \(linear.rawValue)\n"
                + "reference \(truth), perplexity \(expected.perplexity.fixed(4))\n")
        try Console.check()
    }
}

private struct DivergenceReport: Encodable {
    let reference: String
    let referencePerplexity: Double
    let tokens: Int
    let chunks: Int
    let context: Int
    let model: String
    let linear: String
    let results: [DivergenceRow]
}

private struct DivergenceRow: Encodable {
    let cache: String
    let bitsPerValueK: Double
    let bitsPerValueV: Double
    let perplexity: Double
    /// Relative change of the perplexity, and its standard error.
    let perplexityChange: Double
    let perplexityChangeError: Double?
    let mean: Double
    let median: Double
    let percentile99: Double
    let maximum: Double
    let sameTop: Double

    init(_ result: DivergenceResult, plan: CachePlan) {
        cache = result.cache.description
        bitsPerValueK = plan.bitsPerValueK
        bitsPerValueV = plan.bitsPerValueV
        perplexity = result.perplexity.perplexity
        perplexityChange = exp(result.lossDifference) - 1
        perplexityChangeError = result.lossDifferenceError.isFinite ? result.lossDifferenceError : nil
        mean = result.mean
        median = result.quantile(0.5)
        percentile99 = result.quantile(0.99)
        maximum = result.quantile(1)
        sameTop = result.sameTopShare
    }

    static let heading = """
        | cache | bits K / V | perplexity | change | mean KL | median | 99 % | maximum | same top |
        | --- | --- | --- | --- | --- | --- | --- | --- | --- |

        """

    var line: String {
        let error = perplexityChangeError.map { " ± \(($0 * 100).fixed(2))" } ?? ""
        return "| \(cache) | \(bitsPerValueK.fixed(2)) / \(bitsPerValueV.fixed(2)) | \(perplexity.fixed(3)) | "
            + "\((perplexityChange * 100).fixed(2))\(error) % | \(mean.fixed(4)) | \(median.fixed(4)) | "
            + "\(percentile99.fixed(3)) | \(maximum.fixed(3)) | \((sameTop * 100).fixed(1)) % |\n"
    }
}

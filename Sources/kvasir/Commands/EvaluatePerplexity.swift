import ArgumentParser
import KvasirCache
import KvasirEngine
import KvasirEvaluation
import KvasirNumerics

/// `kvasir evaluate perplexity`.
struct EvaluatePerplexity: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perplexity",
        abstract: "Computes the perplexity of a text.",
        discussion: """
            The text is cut into chunks; each is run from an empty cache and the second half of it is scored. Attention \
            reads the cache, so the figure includes what the cache's codec costs.
            """)

    @Option(help: ArgumentHelp("The text.", valueName: "file"), completion: .file())
    var text: String

    @Option(
        name: [.customLong("context"), .customShort("c")], help: ArgumentHelp("Tokens of a chunk.", valueName: "tokens")
    )
    var context = 512

    @Option(help: ArgumentHelp("Chunks to score. (default: all of the text)", valueName: "count"))
    var chunks: Int?

    @Option(help: ArgumentHelp("How linear layers multiply: int8 or float32.", valueName: "precision"))
    var linear = LinearOption.int8

    @Flag(help: "Attends with the portable kernels, the slow twins of the fast ones.")
    var plainAttention = false

    @Flag(help: "Prints one JSON object.")
    var json = false

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Cache") var cache: CacheOptions
    @OptionGroup(title: "Computing") var compute: ComputeOptions

    func validate() throws {
        do throws(EvaluationError) {
            _ = try PerplexityEvaluation(context: context, windows: chunks)
        } catch {
            throw ValidationError(error.description)
        }
    }

    func run() async throws {
        let evaluation = try PerplexityEvaluation(context: context, windows: chunks)
        var settings = try EngineSettings(model, cache, compute, contextLength: context)
        settings.precision = linear.precision
        if plainAttention { settings.cacheInstructionSet = .generic }
        let bytes = try TextFile.read(text)
        let engine = try await settings.load(interrupts: Interrupts())
        try engine.pool.checkRoom(forTokens: context, inStepsOf: InferenceEngine.prefillChunk)

        let progress = EvaluationProgress()
        let result = try evaluation.run(
            text: bytes, engine: engine,
            onWindow: {
                progress.update(chunk: $0, of: $1, detail: "perplexity \($2.perplexity.fixed(4)), ")
            })
        progress.finish()
        try report(result, engine: engine)
    }

    private func report(_ result: PerplexityResult, engine: InferenceEngine) throws {
        let plan = engine.plan
        if json {
            try JSONOutput.write(
                PerplexityReport(
                    perplexity: result.perplexity,
                    standardError: result.standardError.isFinite ? result.standardError : nil, tokens: result.tokens,
                    chunks: result.windows, context: context, bitsPerValueK: plan.bitsPerValueK,
                    bitsPerValueV: plan.bitsPerValueV, cacheBytes: result.cacheBytes,
                    cache: plan.configuration.description, model: engine.model.fileName, linear: linear.rawValue,
                    plainAttention: plainAttention))
            return
        }
        let error = result.standardError.isFinite ? " ± \(result.standardError.fixed(4))" : ""
        Console.write(
            table([
                ("perplexity", result.perplexity.fixed(4) + error),
                ("text", "\(result.windows) chunks of \(context) tokens, \(result.tokens.grouped) tokens scored"),
                (
                    "model",
                    "\(engine.model.fileName), linear layers in \(linear.rawValue)\(plainAttention ? ", plain attention" : "")"
                ),
                ("cache", plan.summary),
                ("", plan.comparison(bytes: result.cacheBytes, tokens: context)),
            ]) + "\n")
        try Console.check()
    }
}

private struct PerplexityReport: Encodable {
    let perplexity: Double
    let standardError: Double?
    let tokens: Int
    let chunks: Int
    let context: Int
    let bitsPerValueK: Double
    let bitsPerValueV: Double
    let cacheBytes: Int
    let cache: String
    let model: String
    let linear: String
    let plainAttention: Bool
}

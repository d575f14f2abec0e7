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
            The text is cut into chunks; each is run from an empty cache and the second half of it is scored, as \
            llama.cpp's tool does it. With --stride the chunks overlap and each scores what none before it did: the strided \
            form that Hugging Face documents. Attention reads the cache, so the figure includes what the cache's codec \
            costs.
            """)

    @OptionGroup var text: TextOptions

    @Option(
        help: ArgumentHelp(
            "Tokens from the start of a chunk to that of the next, for the strided form. (default: chunks do not overlap)",
            valueName: "tokens"))
    var stride: Int?

    @Flag(help: "Attends with the portable kernels, the slow twins of the fast ones.")
    var plainAttention = false

    @OptionGroup var evaluation: EvaluationOptions

    func validate() throws {
        do throws(EvaluationError) {
            _ = try perplexity()
        } catch {
            throw ValidationError(error.description)
        }
    }

    private var form: WindowForm { stride.map { .strided($0) } ?? .separate }

    private func perplexity() throws(EvaluationError) -> PerplexityEvaluation {
        try PerplexityEvaluation(context: text.context, windows: text.chunks, form: form)
    }

    func run() async throws {
        let perplexity = try perplexity()
        var session = try EvaluationSession(.perplexity, evaluation)
        if plainAttention { session.cacheInstructionSet = .generic }
        let bytes = try EvaluationFile.read(text.text)
        let settings = TextSettings(
            text: text.name, textSHA256: EvaluationFile.sha256(bytes), form: form, context: text.context,
            chunks: text.chunks, linear: session.linear.rawValue, prefill: text.prefill.attention,
            plainAttention: plainAttention)
        let loaded = try await session.load()
        let engines = try session.engines(loaded, contextLength: text.context)
        let exact = try session.exactEngine(loaded, prefill: text.prefill.attention, contextLength: text.context)
        let model = try ModelDescription(loaded, caches: session.caches)
        let results = try session.measure(model, settings: settings) { run in
            try perplexity.run(text: bytes, engines: engines, exact: exact, run: run)
        }
        let report = PerplexityReport(results, plans: engines.map(\.plan))
        try session.deliver(
            model, settings: settings, results: report, text: table(of: report, settings, model: model))
    }

    private func table(of report: PerplexityReport, _ settings: TextSettings, model: ModelDescription) -> String {
        let rows = report.caches.map { row in
            let error = row.standardError.map { " ± \($0.fixed(4))" } ?? ""
            return "| \(row.cache) | \(row.bitsPerValueK.fixed(2)) / \(row.bitsPerValueV.fixed(2)) | "
                + "\(row.perplexity.fixed(4))\(error) | \(ByteCount(row.cacheBytes)) |\n"
        }
        let windows = settings.stride.map { "starting \($0) apart (strided form)" } ?? "that share nothing"
        return "| cache | bits K / V | perplexity | cache of a chunk |\n| --- | --- | --- | --- |\n" + rows.joined()
            + "\n\(model.label), \(report.chunks) chunks of \(settings.context) tokens \(windows), "
            + "\(report.tokens.grouped) tokens scored\n\(settings.conditions)\n"
    }
}

extension TextSettings {
    /// What decides the figures beside text and cache, in words.
    var conditions: String {
        Self.conditions(linear: linear, prefill: prefill, plainAttention: plainAttention)
    }

    /// The same of settings of any kind.
    static func conditions(linear: String, prefill: PrefillAttention, plainAttention: Bool = false) -> String {
        "linear layers in \(linear)" + (plainAttention ? ", plain attention" : "")
            + (prefill == .exact ? ", prefill exact: the prompt's own attention does not read the cache" : "")
    }
}

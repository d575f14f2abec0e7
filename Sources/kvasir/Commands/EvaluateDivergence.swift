import ArgumentParser
import KvasirCache
import KvasirEngine
import KvasirEvaluation

/// `kvasir evaluate divergence`.
struct EvaluateDivergence: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "divergence",
        abstract: "Compares caches with a reference, token by token.",
        discussion: """
            The text is cut into chunks as for perplexity. Over the same tokens, the next-token distribution of every cache \
            is compared with that of the reference: mean, median, 99th percentile and maximum of the Kullback-Leibler \
            divergence, the share of tokens whose most probable successor is the same, and the change of the perplexity \
            with its standard error; the mean by position as well. Linear layers run in float32, so that the cache alone \
            is measured: with int8 the rounding of activations adds a few thousandths to any change.
            """)

    @OptionGroup var text: TextOptions

    @Option(help: ArgumentHelp("The cache whose distributions are taken for true.", valueName: "spec"))
    var reference = "f16"

    @OptionGroup var evaluation: EvaluationOptions

    func validate() throws {
        do throws(EvaluationError) {
            _ = try divergence()
        } catch {
            throw ValidationError(error.description)
        }
    }

    private func divergence() throws(EvaluationError) -> DivergenceEvaluation {
        try DivergenceEvaluation(context: text.context, windows: text.chunks)
    }

    func run() async throws {
        let divergence = try divergence()
        let truth = try CacheConfiguration(parsing: reference)
        let session = try EvaluationSession(
            .divergence, evaluation, defaultCaches: EvaluationSession.defaultCaches.filter { $0 != truth },
            defaultLinear: .float32)
        let bytes = try EvaluationFile.read(text.text)
        let settings = TextSettings(
            text: text.name, textSHA256: EvaluationFile.sha256(bytes), context: text.context, chunks: text.chunks,
            linear: session.linear.rawValue, prefill: text.prefill.attention, reference: truth.description)
        let loaded = try await session.load()
        let expected = try session.engine(loaded, cache: truth, contextLength: text.context)
        let engines = try session.engines(loaded, contextLength: text.context)
        let exact = try session.exactEngine(loaded, prefill: text.prefill.attention, contextLength: text.context)
        let model = try ModelDescription(loaded, caches: session.caches + [truth])
        let (perplexity, results) = try session.measure(model, settings: settings) { run in
            try divergence.run(text: bytes, reference: expected, subjects: engines, exact: exact, run: run)
        }
        let report = DivergenceReport(
            reference: truth, perplexity, results: results, plans: engines.map(\.plan))
        try session.deliver(
            model, settings: settings, results: report, text: table(of: report, settings, model: model))
    }

    private func table(of report: DivergenceReport, _ settings: TextSettings, model: ModelDescription) -> String {
        let heading = """
            | cache | bits K / V | perplexity | change | mean KL | median | 99 % | maximum | same top |
            | --- | --- | --- | --- | --- | --- | --- | --- | --- |

            """
        let rows = report.caches.map { row in
            let error = row.perplexityChangeError.map { " ± \(($0 * 100).fixed(2))" } ?? ""
            return "| \(row.cache) | \(row.bitsPerValueK.fixed(2)) / \(row.bitsPerValueV.fixed(2)) | "
                + "\(row.perplexity.fixed(3)) | \((row.perplexityChange * 100).fixed(2))\(error) % | "
                + "\(row.mean.fixed(4)) | \(row.median.fixed(4)) | \(row.percentile99.fixed(3)) | "
                + "\(row.maximum.fixed(3)) | \((row.sameTop * 100).fixed(1)) % |\n"
        }
        return heading + rows.joined() + positions(of: report)
            + "\n\(model.label), \(report.chunks) chunks of \(settings.context) tokens, \(report.tokens.grouped) tokens "
            + "compared; \(settings.conditions)\n"
            + "reference \(report.reference), perplexity \(report.referencePerplexity.fixed(4))\n"
    }

    /// The mean divergence by position, a column for each part of the chunk.
    private func positions(of report: DivergenceReport) -> String {
        guard let parts = report.caches.first?.byPosition, parts.count > 1 else { return "" }
        let ranges = parts.map { "\($0.firstPosition)–\($0.lastPosition)" }
        let rows = report.caches.map { row in
            "| \(row.cache) | " + row.byPosition.map { $0.mean.fixed(4) }.joined(separator: " | ") + " |\n"
        }
        return "\n| mean KL at positions | " + ranges.joined(separator: " | ") + " |\n"
            + "| --- " + ranges.map { _ in "| --- " }.joined() + "|\n" + rows.joined()
    }
}

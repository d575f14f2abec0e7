import ArgumentParser
import KvasirCache
import KvasirEngine
import KvasirEvaluation

/// `kvasir evaluate generation`.
struct EvaluateGeneration: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generation",
        abstract: "Compares long greedy texts of caches with those of a reference.",
        discussion: """
            Every cache continues the same prompts greedily. Printed are the first token that differs from the reference's \
            text, the mean Kullback-Leibler divergence over the reference's text and in its first and last quarter, and the \
            share of repeated n-grams of 4 tokens in every cache's own text. Tokens that would end a text are never chosen. \
            Linear layers run in float32, so that the cache alone makes the difference.
            """)

    @Option(help: ArgumentHelp("Tokens to generate after every prompt.", valueName: "count"))
    var tokens = 256

    @Option(
        help: ArgumentHelp(
            "A text that prompts are cut from at even distances. (default: built-in prompts)", valueName: "file"),
        completion: .file())
    var text: String?

    @Option(
        help: ArgumentHelp(
            "Prompts; of the built-in ones the first. (default: \(GenerationPrompts.builtIn.count))", valueName: "count"
        ))
    var prompts: Int?

    @Option(help: ArgumentHelp("Tokens of a prompt that is cut from a text.", valueName: "count"))
    var promptTokens = 64

    @Option(help: ArgumentHelp("The cache whose texts are taken for the right ones.", valueName: "spec"))
    var reference = "f16"

    @Option(
        help: ArgumentHelp(
            "What the attention of the prompt reads: the cache, or its own keys and values (exact).",
            valueName: "source"))
    var prefill = PrefillOption.cache

    @OptionGroup var evaluation: EvaluationOptions

    private var promptCount: Int { prompts ?? GenerationPrompts.builtIn.count }

    func validate() throws {
        do throws(EvaluationError) {
            _ = try GenerationComparison(tokens: tokens)
        } catch {
            throw ValidationError(error.description)
        }
        if promptCount < 1 { throw ValidationError("--prompts is \(promptCount): use at least 1") }
        if promptTokens < 1 { throw ValidationError("--prompt-tokens is \(promptTokens): use at least 1") }
        if text == nil, promptCount > GenerationPrompts.builtIn.count {
            throw ValidationError(
                "--prompts is \(promptCount): there are \(GenerationPrompts.builtIn.count) built-in ones; give a --text "
                    + "to cut more from")
        }
    }

    func run() async throws {
        let comparison = try GenerationComparison(tokens: tokens)
        let truth = try CacheConfiguration(parsing: reference)
        let session = try EvaluationSession(
            .generation, evaluation, defaultCaches: EvaluationSession.defaultCaches.filter { $0 != truth },
            defaultLinear: .float32)
        let bytes = try text.map { path throws(EvaluationError) in try EvaluationFile.read(path) }
        let settings = GenerationComparisonSettings(
            reference: truth.description, tokens: tokens, text: text.map(TextOptions.name),
            textSHA256: bytes.map { EvaluationFile.sha256($0) }, prompts: promptCount,
            promptTokens: text == nil ? nil : promptTokens, linear: session.linear.rawValue,
            prefill: prefill.attention)
        let loaded = try await session.load()
        let prompts = try prompts(bytes, loaded)
        let (length, overflow) = tokens.addingReportingOverflow(prompts.map(\.count).max() ?? 0)
        let context = overflow ? Int.max : length
        let expected = try session.engine(loaded, cache: truth, contextLength: context)
        let engines = try session.engines(loaded, contextLength: context)
        let exact = try session.exactEngine(loaded, prefill: prefill.attention, contextLength: context)
        let model = try ModelDescription(loaded, caches: session.caches + [truth])
        let comparisons = try session.measure(model, settings: settings, unit: "prompt") { run in
            try comparison.run(prompts: prompts, reference: expected, subjects: engines, exact: exact, run: run)
        }
        let report = GenerationComparisonReport(
            comparisons, prompts: prompts, reference: truth, plans: engines.map(\.plan), tokenizer: loaded.tokenizer)
        try session.deliver(
            model, settings: settings, results: report, text: report.text(settings, model: model))
    }

    private func prompts(_ bytes: [UInt8]?, _ model: LanguageModel) throws(EvaluationError) -> [[Int32]] {
        guard let bytes else {
            return try GenerationPrompts.tokens(of: Array(GenerationPrompts.builtIn.prefix(promptCount)), model: model)
        }
        return try GenerationPrompts.cut(bytes, count: promptCount, length: promptTokens, model: model)
    }
}

extension GenerationComparisonSettings {
    /// What decides the figures beside prompts and cache, in words.
    var conditions: String { TextSettings.conditions(linear: linear, prefill: prefill) }
}

extension GenerationComparisonReport {
    /// A row for every cache.
    func text(_ settings: GenerationComparisonSettings, model: ModelDescription) -> String {
        let titles = [
            "cache", "bits K / V", "first difference", "same texts", "mean KL", "first quarter", "last quarter",
            "same top",
            "repeated",
        ]
        var text = Self.line(titles) + Self.line(titles.map { _ in "---" })
        for cache in caches {
            text += Self.line([
                cache.cache, "\(cache.bitsPerValueK.fixed(2)) / \(cache.bitsPerValueV.fixed(2))",
                "\(cache.medianFirstDifference)", "\(cache.identical) of \(prompts.count)", cache.divergence.fixed(4),
                cache.divergenceFirstQuarter.fixed(4), cache.divergenceLastQuarter.fixed(4),
                "\((cache.sameTop * 100).fixed(1)) %", "\((cache.repetition * 100).fixed(1)) %",
            ])
        }
        return text
            + "\n\(model.label), \(prompts.count) \(settings.text.map { "prompts from \($0)" } ?? "built-in prompts"), "
            + "\(tokens) tokens each; \(settings.conditions)\n"
            + "reference \(reference), \((referenceRepetition * 100).fixed(1)) % of its \(gram)-grams repeated; first "
            + "difference: of the median text, counted from 0\n"
    }

    private static func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }
}

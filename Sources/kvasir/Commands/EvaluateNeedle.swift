import ArgumentParser
import KvasirCache
import KvasirEngine
import KvasirEvaluation

/// `kvasir evaluate needle`.
struct EvaluateNeedle: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "needle",
        abstract: "Asks for a number that is hidden in a long text.",
        discussion: """
            A number is hidden at every depth of texts of every length, and asked for; with --mode multi several are, each \
            with a name. Every cache is asked the same questions. Two shares are printed: of greedy answers whose first \
            number is the right one (exact), and of questions where the right number is the most likely among numbers of as \
            many digits, the others that are hidden included (first). Small models often know and do not answer.
            """)

    @Option(help: ArgumentHelp("Tokens of prompt and answer, separated by commas.", valueName: "tokens,..."))
    var lengths: Numbers = [512, 1024, 2048, 4096]

    @Option(
        help: ArgumentHelp(
            "Where the number stands, in per cent of the text, separated by commas.", valueName: "depth,..."))
    var depths: Numbers = [0, 25, 50, 75, 100]

    @Option(help: ArgumentHelp("Texts of every length.", valueName: "count"))
    var trials = 4

    @Option(help: ArgumentHelp("One number (single), or several with names (multi).", valueName: "mode"))
    var mode = Mode.single

    @Option(help: ArgumentHelp("Numbers that --mode multi hides.", valueName: "count"))
    var keys = 4

    @Option(help: ArgumentHelp("Numbers among which the right one is ranked.", valueName: "count"))
    var candidates = 10

    @Option(help: ArgumentHelp("What texts and numbers are drawn from.", valueName: "seed"))
    var seed: UInt64 = 0

    @Option(
        help: ArgumentHelp("A long text to hide numbers in. (default: generated sentences)", valueName: "file"),
        completion: .file())
    var text: String?

    @Option(
        help: ArgumentHelp(
            "Prompts in the model's chat template (chat), as they are (plain), or in the template if the model has one "
                + "(auto).", valueName: "style"))
    var prompt = PromptStyle.auto

    @Option(
        help: ArgumentHelp(
            "What the attention of the prompt reads: the cache, or its own keys and values (exact).",
            valueName: "source"))
    var prefill = PrefillOption.cache

    @OptionGroup var evaluation: EvaluationOptions

    enum Mode: String, ExpressibleByArgument, CaseIterable { case single, multi }

    enum PromptStyle: String, ExpressibleByArgument, CaseIterable {
        case auto, chat, plain

        /// Whether a model's prompts are written with its template.
        func usesTemplate(of model: LanguageModel) -> Bool {
            switch self {
            case .auto: (try? model.chatTemplate()) != nil
            case .chat: true
            case .plain: false
            }
        }
    }

    func validate() throws {
        do throws(EvaluationError) {
            _ = try needle(haystack: .generated, usesChatTemplate: false)
        } catch {
            throw ValidationError(error.description)
        }
    }

    private func needle(haystack: Haystack, usesChatTemplate: Bool) throws(EvaluationError) -> NeedleEvaluation {
        try NeedleEvaluation(
            lengths: lengths.values, depths: depths.values, trials: trials,
            mode: mode == .single ? .single : .multi(keys: keys), candidates: candidates, seed: seed,
            haystack: haystack, usesChatTemplate: usesChatTemplate)
    }

    func run() async throws {
        let session = try EvaluationSession(.needle, evaluation)
        let bytes = try text.map { path throws(EvaluationError) in try EvaluationFile.read(path) }
        let haystack = try bytes.map { bytes throws(EvaluationError) in
            try Haystack(text: String(decoding: bytes, as: UTF8.self))
        }
        let loaded = try await session.load()
        let needle = try needle(haystack: haystack ?? .generated, usesChatTemplate: prompt.usesTemplate(of: loaded))
        let settings = NeedleSettings(
            needle, text: text.map(TextOptions.name), textSHA256: bytes.map { EvaluationFile.sha256($0) },
            linear: session.linear.rawValue, prefill: prefill.attention)
        let engines = try session.engines(loaded, contextLength: lengths.values.max())
        let exact = try session.exactEngine(
            loaded, prefill: prefill.attention, contextLength: lengths.values.max())
        let model = try ModelDescription(loaded, caches: session.caches)
        let answers = try session.measure(model, settings: settings, unit: "text") { run in
            try needle.run(engines: engines, exact: exact, run: run)
        }
        let report = NeedleReport(answers, plans: engines.map(\.plan), candidates: candidates)
        try session.deliver(
            model, settings: settings, results: report, text: report.text(settings, model: model))
    }
}

extension NeedleSettings {
    /// What decides the figures beside questions and cache, in words.
    var conditions: String { TextSettings.conditions(linear: linear, prefill: prefill) }
}

extension NeedleReport {
    /// The shares of every cache, and a grid of both for each.
    func text(_ settings: NeedleSettings, model: ModelDescription) -> String {
        var text = Self.line(["cache", "bits K / V", "exact", "first", "log-likelihood", "questions"])
        text += Self.line([String](repeating: "---", count: 6))
        for cache in caches {
            text += Self.line([
                cache.cache, "\(cache.bitsPerValueK.fixed(2)) / \(cache.bitsPerValueV.fixed(2))",
                "\(Self.percent(cache.exact, 1)) ± \((cache.exactError * 100).fixed(1))",
                "\(Self.percent(cache.first, 1)) ± \((cache.firstError * 100).fixed(1))",
                cache.logLikelihood.fixed(3), "\(cache.questions)",
            ])
        }
        for cache in caches {
            text += "\n" + Self.line(["\(cache.cache): exact / first"] + settings.lengths.map { "\($0) tokens" })
            text += Self.line([String](repeating: "---", count: settings.lengths.count + 1))
            for depth in settings.depths {
                let cells = settings.lengths.map { length in
                    cache.grid.first { $0.length == length && $0.depth == depth }.map { cell in
                        let trials = Double(cell.trials)
                        return
                            "\(Self.percent(Double(cell.exact) / trials)) / \(Self.percent(Double(cell.first) / trials))"
                    } ?? ""
                }
                text += Self.line(["depth \(depth) %"] + cells)
            }
        }
        let hidden = settings.keys == 1 ? "one number hidden" : "\(settings.keys) numbers hidden"
        return text + "\n\(model.label), \(hidden), \(settings.trials) texts of every length, seed \(settings.seed), "
            + "\(settings.text ?? "generated sentences"); \(settings.chatTemplate ? "chat template" : "plain prompts"); "
            + "\(settings.conditions)\n"
            + "first: chance alone gives \(Self.percent(chance, 1)), one of \(settings.candidates) numbers; "
            + "log-likelihood: of the right number, in nats, the mean of all questions\n"
    }

    private static func percent(_ share: Double, _ decimals: Int = 0) -> String {
        "\((share * 100).fixed(decimals)) %"
    }

    private static func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }
}

import ArgumentParser
import KvasirCache
import KvasirEngine
import KvasirEvaluation

/// `kvasir evaluate precision`.
struct EvaluatePrecision: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "precision",
        abstract: "Compares attention scores and outputs with those of an f16 cache, entry by entry.",
        discussion: """
            Queries, keys and values of the text are computed in float32. Printed is the share of entries of QK^T, and of PV \
            with the weights of the f16 cache, by relative error: first those that are the same 16-bit float. Beside the caches \
            stand 16-bit floats cut to fewer bits.
            """)

    @Option(help: ArgumentHelp("The text.", valueName: "file"), completion: .file())
    var text: String

    @Option(
        name: [.customLong("context"), .customShort("c")],
        help: ArgumentHelp("Tokens of a chunk, a window of the text.", valueName: "tokens"))
    var context = 2048

    @Option(help: ArgumentHelp("Chunks to compare.", valueName: "count"))
    var chunks = 2

    @Option(help: ArgumentHelp("Query tokens at the end of every chunk.", valueName: "count"))
    var queries = 16

    @Option(
        // A list may begin with a negative number, which is no option.
        parsing: .unconditional,
        help: ArgumentHelp(
            "Layers to compare, as in 0-3,-1 with negative ones counted from the last. (default: all)",
            valueName: "list"))
    var layers: String?

    @OptionGroup var evaluation: EvaluationOptions

    func validate() throws {
        guard evaluation.linear != .int8 else {
            throw ValidationError("--linear int8 has no place here: queries, keys and values are computed in float32")
        }
        do throws(EvaluationError) {
            _ = try precision(layers: nil)
        } catch {
            throw ValidationError(error.description)
        }
        _ = try LayerList.parse(layers)
    }

    private func precision(layers: LayerList?) throws(EvaluationError) -> PrecisionEvaluation {
        try PrecisionEvaluation(context: context, windows: chunks, queries: queries, layers: layers)
    }

    func run() async throws {
        let precision = try precision(layers: LayerList.parse(layers))
        let session = try EvaluationSession(
            .precision, evaluation, defaultCaches: [CacheConfiguration(parsing: "aligned")], defaultLinear: .float32)
        let bytes = try EvaluationFile.read(text)
        let settings = PrecisionSettings(
            precision, text: TextOptions.name(of: text), textSHA256: EvaluationFile.sha256(bytes))
        let loaded = try await session.load()
        let engines = try session.engines(loaded, contextLength: context)
        let model = try ModelDescription(loaded, caches: session.caches)
        let rows = try session.measure(model, settings: settings, unit: "window") { run in
            try precision.run(
                text: bytes, engine: engines[0], plans: engines.map(\.plan), instructionSet: session.instructionSet,
                run: run)
        }
        let report = PrecisionReport(rows)
        try session.deliver(model, settings: settings, results: report, text: report.text(settings, model: model))
    }
}

extension PrecisionReport {
    /// A table for each part.
    func text(_ settings: PrecisionSettings, model: ModelDescription) -> String {
        let classes = ["same"] + bounds.dropFirst().map { "< 1/\(Int(1 / $0))" } + ["above"]
        var text = ""
        for part in PrecisionPart.allCases {
            let title = part == .scores ? "scores (QK^T)" : "outputs (PV)"
            let titles = [title, "bits read"] + classes
            text += Self.line(titles) + Self.line(titles.map { _ in "---" })
            for row in rows where row.part == part {
                text += Self.line(
                    [row.method, row.bitsPerValue.fixed(2)] + row.shares.map { "\(($0 * 100).fixed(2)) %" })
            }
            text += "\n"
        }
        return text
            + "\(model.file), \(settings.text), \(settings.chunks ?? 0) chunks of \(settings.context) tokens, the last "
            + "\(settings.queries) of each as queries\n"
            + "share of entries by relative error against an f16 cache; same: the same 16-bit float\n"
    }

    private static func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }
}

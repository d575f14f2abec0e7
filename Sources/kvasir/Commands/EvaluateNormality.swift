import ArgumentParser
import KvasirCache
import KvasirEngine
import KvasirEvaluation

/// `kvasir evaluate normality`.
struct EvaluateNormality: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "normality",
        abstract: "Tests whether keys and values are normal, block by block.",
        discussion: """
            The text is run with an f32 cache, and every token's keys (after the rotary embedding) and values are tested as \
            a whole or block by block with the test of D'Agostino and Pearson, before and after the rotation of heads. \
            Printed is the share of blocks that the test rejects at the level 0.05: of normal blocks it would be 5 %. The \
            result file holds the points of quantile-quantile plots as well.
            """)

    @Option(help: ArgumentHelp("The text.", valueName: "file"), completion: .file())
    var text: String

    @Option(
        name: [.customLong("context"), .customShort("c")],
        help: ArgumentHelp("Tokens of a chunk, a window of the text.", valueName: "tokens"))
    var context = 512

    @Option(help: ArgumentHelp("Chunks to test.", valueName: "count"))
    var chunks = 1

    @Option(
        help: ArgumentHelp(
            "What is one sample: token, or the size of a block; several separated by commas.", valueName: "unit,..."))
    var unit = "token,64"

    @Option(
        // A list may begin with a negative number, which is no option.
        parsing: .unconditional,
        help: ArgumentHelp(
            "Layers to test, as in 0-3,-1 with negative ones counted from the last. (default: all)", valueName: "list"))
    var layers: String?

    @Option(help: ArgumentHelp("Heads as they are (plain), rotated, or both.", valueName: "basis"))
    var basis = BasisOption.both

    @OptionGroup var evaluation: EvaluationOptions

    func validate() throws {
        guard evaluation.cache.isEmpty else {
            throw ValidationError("--cache has no place here: keys and values are tested before a codec sees them")
        }
        do throws(EvaluationError) {
            _ = try normality(layers: nil)
        } catch {
            throw ValidationError(error.description)
        }
        _ = try LayerList.parse(layers)
    }

    private func normality(layers: LayerList?) throws(EvaluationError) -> NormalityEvaluation {
        var units: [NormalityUnit] = []
        for word in unit.split(separator: ",", omittingEmptySubsequences: false) {
            units.append(try NormalityUnit(parsing: String(word)))
        }
        return try NormalityEvaluation(
            context: context, windows: chunks, units: units, layers: layers,
            basis: basis.basis)
    }

    func run() async throws {
        let normality = try normality(layers: LayerList.parse(layers))
        let session = try EvaluationSession(
            .normality, evaluation, defaultCaches: [CacheConfiguration(parsing: "f32")], defaultLinear: .float32)
        let bytes = try EvaluationFile.read(text)
        let settings = NormalitySettings(
            normality, text: TextOptions.name(of: text), textSHA256: EvaluationFile.sha256(bytes),
            linear: session.linear.rawValue)
        let loaded = try await session.load()
        let engine = try session.engine(loaded, cache: session.caches[0], contextLength: context)
        let model = try ModelDescription(loaded, caches: session.caches)
        let rows = try session.measure(model, settings: settings) { run in
            try normality.run(text: bytes, engine: engine, run: run)
        }
        let report = NormalityReport(rows)
        try session.deliver(
            model, settings: settings, results: report, text: report.text(settings, model: model))
    }
}

/// In which basis heads are tested, as an option.
enum BasisOption: String, ExpressibleByArgument, CaseIterable {
    case plain, rotated, both

    var basis: NormalityEvaluation.Basis {
        switch self {
        case .plain: .plain
        case .rotated: .rotated
        case .both: .both
        }
    }
}

extension NormalityReport {
    /// A table of rejection rates for every unit, and the mean shape of all layers' blocks.
    func text(_ settings: NormalitySettings, model: ModelDescription) -> String {
        let columns = [(CachePart.keys, false), (.keys, true), (.values, false), (.values, true)]
            .filter { column in allLayers.contains { $0.rotated == column.1 } }
        var text = ""
        for unit in settings.units {
            let titles = columns.map { "\($0.rawValue)\($1 ? " rotated" : "")" }
            text +=
                Self.line(["rejected, \(Self.name(unit))"] + titles) + Self.line(["---"] + titles.map { _ in "---" })
            for layer in Self.distinct(rows.map(\.layer)) + [nil] {
                let cells = columns.map { part, rotated in
                    let source = layer == nil ? allLayers : rows
                    let row = source.first {
                        $0.layer == layer && $0.unit == unit && $0.part == part && $0.rotated == rotated
                    }
                    return row?.rejectionRate.map { "\(($0 * 100).fixed(1)) %" } ?? "not tested"
                }
                text += Self.line([layer.map { "layer \($0)" } ?? "all"] + cells)
            }
            text += "\n"
        }
        let titles = ["all layers", "unit", "values", "blocks", "not tested", "statistic", "skewness", "kurtosis"]
        text += Self.line(titles) + Self.line(titles.map { _ in "---" })
        for row in allLayers {
            text += Self.line([
                "\(row.part.rawValue)\(row.rotated ? " rotated" : "")", row.unit, "\(row.unitLength)",
                row.blocks.grouped, row.untested.grouped, row.statistic.map { $0.fixed(2) } ?? "",
                row.skewness.map { $0.fixed(3) } ?? "", row.kurtosis.map { $0.fixed(3) } ?? "",
            ])
        }
        return text
            + "\n\(model.label), \(settings.text), \(settings.chunks ?? 0) chunks of \(settings.context) tokens; "
            + "linear layers in \(settings.linear)\n"
            + "level \(settings.significance): of normal blocks \((settings.significance * 100).fixed(0)) % would be "
            + "rejected, the mean statistic would be 2, skewness 0, kurtosis 3\n"
    }

    private static func name(_ unit: String) -> String { unit == "token" ? "whole tokens" : "blocks of \(unit)" }

    private static func distinct(_ layers: [Int?]) -> [Int?] {
        layers.reduce(into: []) { if $0.last != $1 { $0.append($1) } }
    }

    private static func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }
}

import ArgumentParser
import KvasirCache
import KvasirEngine
import KvasirEvaluation

/// `kvasir evaluate entropy`.
struct EvaluateEntropy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "entropy",
        abstract: "Measures what neighbouring channels say about each other: why codes for several of them save bits.",
        discussion: """
            Keys, before and after the rotary embedding, and values of the text are computed in float32; every channel is cut \
            into bins of one width. Printed is the joint entropy of one to four neighbouring channels beside the sum of their \
            own, in bits. The first token of a chunk does not count: its keys would stretch the bins.
            """)

    @Option(help: ArgumentHelp("The text.", valueName: "file"), completion: .file())
    var text: String

    @Option(
        name: [.customLong("context"), .customShort("c")],
        help: ArgumentHelp("Tokens of a chunk, a window of the text.", valueName: "tokens"))
    var context = 2048

    @Option(help: ArgumentHelp("Chunks to measure.", valueName: "count"))
    var chunks = 16

    @Option(help: ArgumentHelp("Bins of a channel, 2 to 16.", valueName: "count"))
    var bins = 16

    @Option(
        // A list may begin with a negative number, which is no option.
        parsing: .unconditional,
        help: ArgumentHelp(
            "Layers to measure, as in 0-3,-1 with negative ones counted from the last. (default: all)",
            valueName: "list"))
    var layers: String?

    @OptionGroup var evaluation: EvaluationOptions

    func validate() throws {
        guard evaluation.cache.isEmpty else {
            throw ValidationError("--cache has no place here: keys and values are measured before a codec sees them")
        }
        guard evaluation.linear != .int8 else {
            throw ValidationError("--linear int8 has no place here: keys and values are computed in float32")
        }
        do throws(EvaluationError) {
            _ = try entropy(layers: nil)
        } catch {
            throw ValidationError(error.description)
        }
        _ = try LayerList.parse(layers)
    }

    private func entropy(layers: LayerList?) throws(EvaluationError) -> EntropyEvaluation {
        try EntropyEvaluation(context: context, windows: chunks, bins: bins, layers: layers)
    }

    func run() async throws {
        let entropy = try entropy(layers: LayerList.parse(layers))
        let session = try EvaluationSession(
            .entropy, evaluation, defaultCaches: [CacheConfiguration(parsing: "f32")], defaultLinear: .float32)
        let bytes = try EvaluationFile.read(text)
        let settings = EntropySettings(
            entropy, text: TextOptions.name(of: text), textSHA256: EvaluationFile.sha256(bytes))
        let loaded = try await session.load()
        let engine = try session.engine(loaded, cache: session.caches[0], contextLength: context)
        let model = try ModelDescription(loaded, caches: session.caches)
        let rows = try session.measure(model, settings: settings, unit: "layer group") { run in
            try entropy.run(text: bytes, engine: engine, instructionSet: session.instructionSet, run: run)
        }
        let report = EntropyReport(rows)
        try session.deliver(
            model, settings: settings, results: report, text: report.text(settings, model: model))
    }
}

extension EntropyReport {
    /// A table of all layers together, and one of the layers.
    func text(_ settings: EntropySettings, model: ModelDescription) -> String {
        var text = Self.table(
            ["all layers", "channels", "together", "each alone", "share", "together, corrected"],
            allLayers.flatMap { row in
                row.joint.indices.map { channel in
                    [
                        row.form.rawValue, String(channel + 1), "\(row.joint[channel].fixed(3)) bits",
                        "\(row.alone[channel].fixed(3)) bits", Self.share(row.joint[channel], row.alone[channel]),
                        "\(row.correctedJoint[channel].fixed(3)) bits",
                    ]
                }
            })
        let forms = allLayers.map(\.form)
        let layers = rows.compactMap(\.layer).reduce(into: [Int]()) { if $0.last != $1 { $0.append($1) } }
        text += "\n"
        text += Self.table(
            ["share, 4 channels"] + forms.map(\.rawValue),
            layers.map { layer in
                ["layer \(layer)"]
                    + forms.map { form in
                        let row = rows.first { $0.layer == layer && $0.form == form }
                        return row.map { Self.share($0.joint.last ?? 0, $0.alone.last ?? 0) } ?? ""
                    }
            })
        return text
            + "\n\(model.file), \(settings.text), \(settings.chunks ?? 0) chunks of \(settings.context) tokens without the "
            + "first \(settings.skipped); \(settings.bins) bins a channel from its least to its greatest value\n"
            + "share: of the sum of the channels' own entropies; corrected: as Miller and Madow add for rare bins\n"
    }

    private static func share(_ joint: Double, _ alone: Double) -> String {
        alone > 0 ? "\((joint / alone * 100).fixed(1)) %" : "-"
    }

    private static func table(_ titles: [String], _ rows: [[String]]) -> String {
        ([titles, titles.map { _ in "---" }] + rows).map { "| " + $0.joined(separator: " | ") + " |\n" }.joined()
    }
}

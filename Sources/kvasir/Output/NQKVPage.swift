import KvasirEngine
import KvasirEvaluation
import KvasirNumerics

/// The results of `kvasir reproduce nqkv` as a page of Markdown.
struct NQKVPage {
    private let report: NQKVReport
    private let settings: NQKVSettings
    private let model: ModelDescription

    init(_ report: NQKVReport, settings: NQKVSettings, model: ModelDescription) {
        self.report = report
        self.settings = settings
        self.model = model
    }

    var text: String {
        "# The experiments of the NQKV paper on \(model.file)\n\n"
            + "\(model.layers) layers, \(model.kvHeads) KV heads of \(model.headSize) channels; "
            + "\(settings.cache) stands for NQKV; \(settings.text).\n\n"
            + findings + shares + distributions + normality + accuracy + smoothQuant + serving
    }

    private var findings: String {
        "## What agrees\n\n"
            + Self.table(
                ["experiment", "published", "here", "verdict"],
                report.findings.map {
                    [$0.experiment, $0.published, $0.ours, $0.verdict.rawValue]
                }) + "\n" + report.findings.map { "- \($0.experiment): \($0.sentence)\n" }.joined() + "\n"
    }

    private var shares: String {
        let rows = settings.shareBatches.map { batch in
            ["batch \(batch)"]
                + settings.shareLengths.map { length in
                    report.shares.filter { $0.batch == batch && $0.length == length }
                        .map { Self.percent($0.share) }.joined(separator: " / ")
                }
        }
        return "## Share of memory that the cache takes (figures 1, 2)\n\nf16 / \(settings.cache), of weights "
            + "(\(ByteCount(report.shares.first?.weightBytes ?? 0))) and cache together\n\n"
            + Self.table([""] + settings.shareLengths.map { "\($0) tokens" }, rows) + "\n"
    }

    private var distributions: String {
        "## One token's keys and values (figures 3, 4)\n\nThe token at position \(report.sample.position); histograms are in "
            + "nqkv.json, quantile-quantile plots in normality.json.\n\n"
            + Self.table(
                ["", "values", "lowest", "highest", "mean", "deviation", "skewness", "kurtosis"],
                report.sample.histograms.map {
                    [
                        "layer \($0.layer), \($0.part.rawValue)", "\($0.values)", $0.minimum.fixed(2),
                        $0.maximum.fixed(2), $0.mean.fixed(3), $0.deviation.fixed(3), $0.skewness.fixed(2),
                        $0.kurtosis.fixed(2),
                    ]
                }) + "\n"
    }

    private var normality: String {
        func probabilities(_ values: [Double]) -> String { values.map { $0.fixed(3) }.joined(separator: " ") }
        return "## Normality of blocks (table 1)\n\nPublished, OPT-6.7B: 16 blocks of one token, p from "
            + "\(PublishedNQKV.blockProbabilities.lowerBound) to \(PublishedNQKV.blockProbabilities.upperBound). Here, "
            + "layer \(report.sample.layer), blocks of \(report.sample.blockLength) values, \(report.sample.tokens) tokens:\n\n"
            + "- keys: \(probabilities(report.sample.keyProbabilities))\n"
            + "- values: \(probabilities(report.sample.valueProbabilities))\n\n"
            + "All tokens and layers, where of normal blocks 5 % would be rejected:\n\n"
            + Self.table(
                ["", "unit", "values", "blocks", "rejected", "kurtosis"],
                report.normality.map { row in
                    [
                        row.part.rawValue + (row.rotated ? ", rotated" : ""), row.unit, "\(row.unitLength)",
                        row.blocks.grouped, row.rejectionRate.map { Self.percent($0) } ?? "not tested",
                        row.kurtosis.map { $0.fixed(2) } ?? "",
                    ]
                }) + "\n"
    }

    private var accuracy: String {
        let tasks = PublishedNQKV.tasks
        let published = PublishedNQKV.accuracies.map { row in
            ["\(row.model), \(row.isQuantized ? "NQKV" : "FP16") (published)"]
                + tasks.map { row.tasks[$0].map { $0.fixed(2) } ?? "" } + [row.average.fixed(2)]
        }
        let ours = report.accuracies.map { row in
            ["\(model.file), \(row.cache)"] + tasks.map { row.tasks[$0].map { ($0 * 100).fixed(2) } ?? "" }
                + [(row.average * 100).fixed(2)]
        }
        return "## Zero-shot accuracy in per cent (table 2)\n\n"
            + (ours.isEmpty ? "Not measured here: give the result of 'kvasir evaluate tasks' with --tasks.\n\n" : "")
            + Self.table([""] + tasks + ["average"], published + ours) + "\n"
    }

    private var smoothQuant: String {
        let published = PublishedNQKV.smoothQuant.map {
            ["\($0.model) (published)", $0.float.fixed(2), $0.smoothQuant.fixed(2), $0.both.fixed(2)]
        }
        var text = "## Zero-shot accuracy on 8-bit weights and activations in per cent (table 3)\n\n"
        var ours: [[String]] = []
        if let result = report.smoothQuant {
            func average(_ accuracies: [NQKVAccuracy], _ cache: String) -> String {
                accuracies.first { $0.cache == cache }.map { ($0.average * 100).fixed(2) } ?? "-"
            }
            let tasks = PublishedNQKV.smoothQuantTasks.filter { result.rounded.first?.tasks[$0] != nil }
            ours.append([
                "\(model.file), \(result.weights.rawValue)", average(result.float, "f16"),
                average(result.rounded, "f16"),
                average(result.rounded, settings.cache),
            ])
            text += "Here the average over \(tasks.joined(separator: ", ")).\n\n"
        } else {
            text +=
                "Not measured here: give the result of 'kvasir evaluate tasks --weights w8a8' with "
                + "--smoothquant-tasks.\n\n"
        }
        return text
            + Self.table(
                ["", "float weights, f16", "8-bit weights, f16", "8-bit weights, \(settings.cache)"], published + ours)
            + "\n"
    }

    private var serving: String {
        let published = PublishedNQKV.serving.map { row in
            ["\(row.model) (published)", "\(row.batch)", "\(row.length)"]
                + row.speeds.map { $0.map { $0.fixed(2) } ?? "-" }
                + row.peaks.map { $0.map { "\($0.fixed(2)) GB" } ?? "out of memory" }
        }
        let cells = report.serving.filter { $0.mode == .recomputed }
        let ours = cells.map { base in
            let all =
                [base]
                + ["f16", settings.cache].compactMap { cache in
                    report.serving.first { $0.cache == cache && $0.batch == base.batch && $0.length == base.length }
                }
            return [model.file, "\(base.batch)", "\(base.length)"] + all.map { $0.tokensPerSecond.fixed(2) }
                + all.map { cell in
                    cell.peakBytes.map { "\((Double($0) / 1e9).fixed(2)) GB\(cell.isPeakOfCell ? "" : " so far")" }
                        ?? "-"
                }
        }
        return
            "## Throughput and peak memory (table 4, figures 8, 9)\n\nTokens per second and peak memory. Published: A100 "
            + "with 80 GB, SmoothQuant without a cache, with an FP16 cache, with NQKV, \(PublishedNQKV.generatedTokens) "
            + "tokens generated. Here: \(settings.tokens) tokens, prompts included in the time; without a cache every step "
            + "recomputes all tokens, timed at \(min(ServingBenchmark.recomputedSteps, settings.tokens)) lengths.\n\n"
            + Self.table(
                [
                    "", "batch", "length", "no cache", "f16", settings.cache, "peak, no cache", "peak, f16",
                    "peak, \(settings.cache)",
                ],
                published + ours)
    }

    private static func percent(_ share: Double) -> String { "\((share * 100).fixed(1)) %" }

    private static func table(_ titles: [String], _ rows: [[String]]) -> String {
        ([titles, titles.map { _ in "---" }] + rows).map { "| " + $0.joined(separator: " | ") + " |\n" }.joined()
    }
}

/// The part about results of kind `entropy`.
enum EntropySection {
    /// What is read of the results; whatever else they hold is left alone.
    private struct Results: Decodable {
        struct Row: Decodable {
            let layer: Int?
            let form: String
            let joint: [Double]
            let alone: [Double]
            let correctedJoint: [Double]

            var name: String { "\(layer.map(String.init) ?? "all") \(form)" }
            /// Numbers of channels that both lists have.
            var channels: Range<Int> { 0..<min(joint.count, alone.count, correctedJoint.count) }
        }

        let rows: [Row]
        let allLayers: [Row]
    }

    static func make(_ group: SourceGroup, styles: CacheStyles) throws(EvaluationError) -> ReportSection {
        let reports = try group.results(as: Results.self)
        let (rows, replaced) = SourceGroup.latest(reports.flatMap(\.rows), name: \.name)
        let together = SourceGroup.latest(reports.flatMap(\.allLayers), name: \.name).rows
        var section = ReportSection(
            title: "Entropy of neighbouring channels",
            introduction:
                "Bits that neighbouring channels of a head carry together, beside the sum of what each carries alone: the "
                + "difference is what a code for several channels saves. Channels are cut into bins of one width between their "
                + "least and greatest values.")
        section.notes += SourceGroup.note(replaced: replaced)
        section.notes.append(
            "Entropies of observed frequencies are too low, most where many bins are rare; the table has the correction of "
                + "Miller and Madow beside them.")
        let shown = together.isEmpty ? rows : together
        section.figures.append(
            ReportFigure(
                title: "Joint entropy and the sum of single ones",
                caption: "All layers together. Dashed: each channel alone. Whole lines: the channels together.",
                content: .plot(plot(shown)), table: table(shown)))
        if let figure = byLayer(rows) { section.figures.append(figure) }
        return section
    }

    /// Dashes in the same colour.
    private static func style(_ index: Int, isJoint: Bool) -> SeriesStyle {
        SeriesStyle(index: isJoint ? index : index + SeriesStyle.colours)
    }

    private static func plot(_ rows: [Results.Row]) -> Plot {
        let series = rows.enumerated().flatMap { index, row in
            [true, false].map { isJoint in
                let what = "\(row.form)\(row.layer.map { ", layer \($0)" } ?? "")"
                return Plot.Series(
                    name: isJoint ? what : "\(what), alone", style: style(index, isJoint: isJoint),
                    points: row.channels.map { channel in
                        let bits = isJoint ? row.joint[channel] : row.alone[channel]
                        return Plot.Point(
                            x: Double(channel + 1), y: bits,
                            note: "\(what), \(channel + 1) channels \(isJoint ? "together" : "each alone"): "
                                + "\(NumberText.fixed(bits, 2)) bits")
                    })
            }
        }
        return Plot(
            title: "Joint entropy and the sum of single ones",
            summary: "Bits of one to four neighbouring channels, together and each alone.",
            x: Axis(title: "neighbouring channels", isTight: true), y: Axis(title: "bits", startsAtZero: true),
            series: series)
    }

    /// What four channels together take of what they take alone, over the layers.
    private static func byLayer(_ rows: [Results.Row]) -> ReportFigure? {
        var lines: [(name: String, points: [Plot.Point])] = []
        for row in rows {
            guard let layer = row.layer, let last = row.channels.last, row.alone[last] > 0 else { continue }
            let share = row.joint[last] / row.alone[last]
            let point = Plot.Point(
                x: Double(layer), y: share, note: "layer \(layer), \(row.form): \(NumberText.percent(share))")
            if let index = lines.firstIndex(where: { $0.name == row.form }) {
                lines[index].points.append(point)
            } else {
                lines.append((row.form, [point]))
            }
        }
        guard lines.contains(where: { $0.points.count > 1 }) else { return nil }
        let plot = Plot(
            title: "Joint entropy by layer",
            summary: "The joint entropy of the most channels as a share of the sum of single ones, for each layer.",
            x: Axis(title: "layer", isTight: true),
            y: Axis(
                title: "joint entropy, share of the sum", startsAtZero: true,
                format: { NumberText.tick($0 * 100) + " %" }),
            series: lines.enumerated().map { index, line in
                Plot.Series(
                    name: line.name, style: style(index, isJoint: true), points: line.points.sorted { $0.x < $1.x })
            })
        return ReportFigure(
            title: "Joint entropy by layer", caption: "Lower is more that channels say about each other.",
            content: .plot(plot), table: table(rows.filter { $0.layer != nil }))
    }

    private static func table(_ rows: [Results.Row]) -> DataTable {
        DataTable(
            title: "Entropy by form, layer and channels, in bits",
            columns: [.text("form"), .text("layer")]
                + ["channels", "together", "each alone", "share", "together, corrected"].map { .number($0) },
            rows: rows.flatMap { row in
                row.channels.map { channel in
                    [
                        row.form, row.layer.map(String.init) ?? "all", String(channel + 1),
                        NumberText.fixed(row.joint[channel], 3), NumberText.fixed(row.alone[channel], 3),
                        row.alone[channel] > 0 ? NumberText.percent(row.joint[channel] / row.alone[channel]) : "–",
                        NumberText.fixed(row.correctedJoint[channel], 3),
                    ]
                }
            })
    }
}

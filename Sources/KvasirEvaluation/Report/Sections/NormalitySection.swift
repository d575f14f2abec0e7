/// The part about results of kind `normality`.
enum NormalitySection {
    /// What is read of the results; whatever else they hold is left alone.
    private struct Results: Decodable {
        struct Row: Decodable {
            let layer: Int?
            let part: String
            let unit: String
            let rotated: Bool
            let blocks: Int
            let rejectionRate: Double?
            let skewness: Double?
            let kurtosis: Double?
            let qq: [[Double]]?

            var unitName: String {
                unit == "token" ? "tokens" : unit.allSatisfy(\.isNumber) ? "blocks of \(unit)" : unit
            }
            var basis: String { rotated ? "rotated" : "plain" }
            var name: String { "\(layer.map(String.init) ?? "all") \(part) \(unit) \(rotated)" }
        }

        let rows: [Row]
        let allLayers: [Row]?
    }

    static func make(_ group: SourceGroup, styles: CacheStyles) throws(EvaluationError) -> ReportSection {
        let reports = try group.results(as: Results.self)
        let (rows, replaced) = SourceGroup.latest(reports.flatMap(\.rows), name: \.name)
        let together = SourceGroup.latest(reports.flatMap { $0.allLayers ?? [] }, name: \.name).rows
        var section = ReportSection(
            title: "Normality of keys and values",
            introduction:
                "D'Agostino and Pearson's test of every unit of keys and values. On normal data 5 % are rejected at "
                + "the level 0.05.")
        section.notes += SourceGroup.note(replaced: replaced)
        let panels = quantilePanels(together.isEmpty ? rows : together)
        if !panels.isEmpty {
            section.figures.append(
                ReportFigure(
                    title: "Quantiles beside those of the normal distribution",
                    caption:
                        "Mean sorted values of a unit, standardized, over the quantiles that normal values would have; "
                        + "the dotted line is where normal values lie.",
                    content: .panels(panels, legend: legend(rows + together)),
                    table: table(together.isEmpty ? rows : together)))
        }
        if let figure = byLayer(rows) { section.figures.append(figure) }
        if section.figures.isEmpty { section.tables.append(table(rows)) }
        return section
    }

    private static func style(_ row: Results.Row) -> SeriesStyle { SeriesStyle(index: row.rotated ? 1 : 0) }

    /// The bases that there are.
    private static func legend(_ rows: [Results.Row]) -> [(name: String, style: SeriesStyle)] {
        [false, true].compactMap { rotated in
            rows.first { $0.rotated == rotated }.map { ($0.basis, style($0)) }
        }
    }

    /// A diagram for each part, unit and layer, with both bases.
    private static func quantilePanels(_ rows: [Results.Row]) -> [Plot] {
        var panels: [(title: String, rows: [Results.Row])] = []
        for row in rows where (row.qq ?? []).contains(where: { $0.count == 2 }) {
            let title = "\(row.part), \(row.unitName)" + (row.layer.map { ", layer \($0)" } ?? "")
            if let index = panels.firstIndex(where: { $0.title == title }) {
                panels[index].rows.append(row)
            } else {
                panels.append((title, [row]))
            }
        }
        return panels.prefix(12).map { title, rows in
            let series = rows.map { row in
                Plot.Series(
                    name: row.basis, style: style(row), mark: .points,
                    points: (row.qq ?? []).filter { $0.count == 2 }.map { Plot.Point(x: $0[0], y: $0[1]) },
                    isNamed: false)
            }
            let places = series.flatMap(\.points).map(\.x)
            let (low, high) = (places.min() ?? -1, places.max() ?? 1)
            return Plot(
                title: title, summary: "Quantiles of \(title) over those of the normal distribution.",
                x: Axis(title: "normal quantile", isTight: true), y: Axis(title: "sample quantile", isTight: true),
                series: series,
                guides: [.init(from: (low, low), to: (high, high))], width: 310, height: 290)
        }
    }

    /// The rejection rate over the layers, a line for each part, unit and basis.
    private static func byLayer(_ rows: [Results.Row]) -> ReportFigure? {
        var lines: [(name: String, points: [Plot.Point])] = []
        for row in rows {
            guard let layer = row.layer, let rate = row.rejectionRate else { continue }
            let name = "\(row.part), \(row.unitName)\(row.rotated ? ", rotated" : "")"
            let point = Plot.Point(
                x: Double(layer), y: rate, note: "layer \(layer), \(name): \(NumberText.percent(rate))")
            if let index = lines.firstIndex(where: { $0.name == name }) {
                lines[index].points.append(point)
            } else {
                lines.append((name, [point]))
            }
        }
        guard lines.contains(where: { $0.points.count > 1 }) else { return nil }
        let plot = Plot(
            title: "Rejection rate by layer",
            summary: "The share of units whose normality is rejected, for each layer.",
            x: Axis(title: "layer", isTight: true),
            y: Axis(
                title: "share rejected at the level 0.05", startsAtZero: true,
                format: { NumberText.tick($0 * 100) + " %" }),
            series: lines.enumerated().map { index, line in
                Plot.Series(
                    name: line.name, style: SeriesStyle(index: index), points: line.points.sorted { $0.x < $1.x })
            }, height: lines.count > 8 ? 460 : 400)
        return ReportFigure(
            title: "Rejection rate by layer", caption: "Lower is closer to normal; 5 % is what normal data gives.",
            content: .plot(plot), table: table(rows.filter { $0.layer != nil }))
    }

    private static func table(_ rows: [Results.Row]) -> DataTable {
        DataTable(
            title: "Normality by part, unit and basis",
            columns: [.text("part"), .text("layer"), .text("unit"), .text("basis")]
                + ["units tested", "rejected", "skewness", "kurtosis"].map { .number($0) },
            rows: rows.map { row in
                [
                    row.part, row.layer.map(String.init) ?? "all", row.unitName, row.basis,
                    NumberText.whole(row.blocks), row.rejectionRate.map { NumberText.percent($0) } ?? "–",
                    row.skewness.map { NumberText.fixed($0, 3) } ?? "–",
                    row.kurtosis.map { NumberText.fixed($0, 3) } ?? "–",
                ]
            })
    }
}

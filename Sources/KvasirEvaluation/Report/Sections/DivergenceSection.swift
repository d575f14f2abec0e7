/// The part about results of kind `divergence`.
enum DivergenceSection {
    static func make(_ group: SourceGroup, styles: CacheStyles) throws(EvaluationError) -> ReportSection {
        let settings = try group.settings(as: TextSettings.self)
        let reports = try group.results(as: DivergenceReport.self)
        let (rows, replaced) = SourceGroup.latest(reports.flatMap(\.caches), name: \.cache)
        let reference = settings.reference ?? "f16"
        let tokens = reports.map(\.tokens).max() ?? 0
        var section = ReportSection(
            title: "Divergence from \(reference)",
            introduction:
                "How far each cache moves the model's next-token distribution from that of \(reference), over the "
                + "same \(NumberText.whole(tokens)) tokens: \(settings.sentence)")
        section.notes += SourceGroup.note(replaced: replaced)
        // The reference against itself differs by rounding alone.
        let visible = rows.filter { $0.mean > 1e-9 }
        if !visible.isEmpty {
            section.figures.append(divergence(visible, settings, table: table(rows, reports), styles))
        }
        if rows.contains(where: { $0.perplexityChangeError != nil }) {
            section.figures.append(change(rows, reference, styles))
        }
        if let positions = byPosition(visible, settings, styles) { section.figures.append(positions) }
        if section.figures.isEmpty { section.tables.append(table(rows, reports)) }
        return section
    }

    private static func bits(_ row: DivergenceReport.Cache) -> Double { (row.bitsPerValueK + row.bitsPerValueV) / 2 }

    private static func divergence(
        _ rows: [DivergenceReport.Cache], _ settings: TextSettings, table: DataTable, _ styles: CacheStyles
    ) -> ReportFigure {
        let plot = QualityFigure(
            title: "Divergence against bits per value",
            summary: "Mean Kullback-Leibler divergence of each cache over its bits per value. "
                + rows.map { "\($0.cache) \(NumberText.fixed(bits($0), 2)) bits, \(NumberText.significant($0.mean))" }
                .joined(separator: "; ") + ".",
            axis: Axis(title: "mean KL divergence, nats (logarithmic)", spacing: .logarithmic),
            entries: rows.map { .init(cache: $0.cache, bits: bits($0), value: $0.mean) }, styles: styles
        ).plot
        return ReportFigure(
            title: "Quality against size",
            caption: "Mean KL divergence of the next-token distribution from \(settings.reference ?? "f16"). "
                + QualityFigure.reading, content: .plot(plot), table: table)
    }

    private static func change(
        _ all: [DivergenceReport.Cache], _ reference: String, _ styles: CacheStyles
    ) -> ReportFigure {
        // A cache that ruins the text would press all others flat.
        let sizes = all.map { abs($0.perplexityChange) }.sorted()
        let limit = max(10 * sizes[sizes.count / 2], 0.05)
        let rows = all.filter { $0.perplexityChange <= limit }
        let beyond = all.filter { $0.perplexityChange > limit }.map {
            "\($0.cache) (\(NumberText.percent($0.perplexityChange, 0)))"
        }
        let plot = QualityFigure(
            title: "Change of perplexity against bits per value",
            summary: "Relative change of perplexity of each cache over its bits per value. "
                + rows.map { "\($0.cache) \(NumberText.percent($0.perplexityChange))" }.joined(separator: "; ") + ".",
            axis: Axis(
                title: "change of perplexity against \(reference)",
                format: { NumberText.tick($0 * 100) + " %" }),
            entries: rows.map {
                .init(cache: $0.cache, bits: bits($0), value: $0.perplexityChange, error: $0.perplexityChangeError)
            }, styles: styles
        ).plot
        return ReportFigure(
            title: "What it costs in perplexity",
            caption:
                "Change of perplexity over the same tokens, with one standard error of the difference token by token. "
                + QualityFigure.reading
                + (beyond.isEmpty ? "" : " Beyond the axis: \(beyond.joined(separator: ", "))."), content: .plot(plot),
            table: DataTable(
                title: "Change of perplexity in per cent, with the standard error of the difference",
                columns: [.text("cache"), .number("bits"), .number("change"), .number("± standard error")],
                rows: all.map { row in
                    [
                        row.cache, NumberText.fixed(bits(row), 2), NumberText.fixed(row.perplexityChange * 100, 2),
                        row.perplexityChangeError.map { NumberText.fixed($0 * 100, 2) } ?? "–",
                    ]
                }))
    }

    private static func byPosition(
        _ rows: [DivergenceReport.Cache], _ settings: TextSettings, _ styles: CacheStyles
    ) -> ReportFigure? {
        let rows = rows.filter { $0.byPosition.count > 1 && $0.byPosition.allSatisfy { $0.mean > 0 } }
        let drawn = styles.drawn(rows.map(\.cache))
        guard let parts = rows.first?.byPosition else { return nil }
        let plot = Plot(
            title: "Divergence by position",
            summary: "Mean Kullback-Leibler divergence of each cache in \(parts.count) parts of the context.",
            x: Axis(title: "position in the context, tokens", isTight: true),
            y: Axis(title: "mean KL divergence, nats (logarithmic)", spacing: .logarithmic),
            series: rows.filter { drawn.contains($0.cache) }.map { row in
                Plot.Series(
                    name: row.cache, style: styles[row.cache],
                    points: row.byPosition.map { part in
                        Plot.Point(
                            x: Double(part.firstPosition + part.lastPosition) / 2, y: part.mean,
                            note: "\(row.cache), \(part.firstPosition)–\(part.lastPosition): "
                                + NumberText.significant(part.mean))
                    })
            }, height: drawn.count > 8 ? 460 : 400)
        let columns =
            [DataTable.Column.text("cache")] + parts.map { .number("\($0.firstPosition)–\($0.lastPosition)") }
        return ReportFigure(
            title: "Divergence by position",
            caption:
                "Each point is the mean over \(NumberText.whole(parts[0].tokens)) predictions or so, at the middle of "
                + "its part of the compared positions. A line that rises says that errors add up with the context."
                + styles.note(rows.map(\.cache)),
            content: .plot(plot),
            table: DataTable(
                title: "Mean KL divergence by position, nats, with its standard error", columns: columns,
                rows: rows.map { row in
                    [row.cache]
                        + row.byPosition.map { part in
                            NumberText.fixed(part.mean, 4)
                                + (part.standardError.map { " ± " + NumberText.fixed($0, 4) } ?? "")
                        }
                }))
    }

    private static func table(_ rows: [DivergenceReport.Cache], _ reports: [DivergenceReport]) -> DataTable {
        let reference = reports.last?.referencePerplexity ?? .nan
        return DataTable(
            title: "Divergence in nats and change of perplexity (reference \(NumberText.fixed(reference, 3)))",
            columns: [.text("cache")]
                + [
                    "bits K", "bits V", "mean KL", "median", "99 %", "maximum", "same top token", "perplexity",
                    "change",
                ]
                .map { .number($0) },
            rows: rows.map { row in
                [
                    row.cache, NumberText.fixed(row.bitsPerValueK, 2), NumberText.fixed(row.bitsPerValueV, 2),
                    NumberText.fixed(row.mean, 4), NumberText.fixed(row.median, 4),
                    NumberText.fixed(row.percentile99, 3),
                    NumberText.fixed(row.maximum, 3), NumberText.percent(row.sameTop),
                    NumberText.fixed(row.perplexity, 3),
                    NumberText.fixed(row.perplexityChange * 100, 2)
                        + (row.perplexityChangeError.map { " ± " + NumberText.fixed($0 * 100, 2) } ?? "") + " %",
                ]
            })
    }
}

extension TextSettings {
    /// The conditions of a measurement on a text.
    var sentence: String {
        let windows =
            stride.map { "windows of \(context) tokens that start \($0) apart (strided form)" }
            ?? "windows of \(context) tokens, the second half of each scored"
        var parts = [
            chunks.map { "the first \(NumberText.whole($0)) " + windows } ?? windows, "linear layers in \(linear)",
        ]
        parts.append(
            prefill == .exact
                ? "prefill exact: the prompt's own attention does not read the cache"
                : "the prompt's own attention reads the cache")
        if plainAttention { parts.append("plain attention") }
        return "\(text), " + parts.joined(separator: "; ") + "."
    }
}

/// The part about results of kind `perplexity`.
enum PerplexitySection {
    static func make(_ group: SourceGroup, styles: CacheStyles) throws(EvaluationError) -> ReportSection {
        let settings = try group.settings(as: TextSettings.self)
        let reports = try group.results(as: PerplexityReport.self)
        let (rows, replaced) = SourceGroup.latest(reports.flatMap(\.caches), name: \.cache)
        let tokens = reports.map(\.tokens).max() ?? 0
        var section = ReportSection(
            title: "Perplexity, \(settings.stride == nil ? "windows" : "strided form")",
            introduction: "Over \(NumberText.whole(tokens)) tokens: \(settings.sentence)")
        section.notes += SourceGroup.note(replaced: replaced)
        let table = DataTable(
            title: "Perplexity with its standard error",
            columns: [.text("cache")]
                + ["bits K", "bits V", "perplexity", "± standard error", "bytes of a window"].map { .number($0) },
            rows: rows.map { row in
                [
                    row.cache, NumberText.fixed(row.bitsPerValueK, 2), NumberText.fixed(row.bitsPerValueV, 2),
                    NumberText.fixed(row.perplexity, 4), row.standardError.map { NumberText.fixed($0, 4) } ?? "–",
                    NumberText.whole(row.cacheBytes),
                ]
            })
        guard rows.count > 1 else {
            section.tables.append(table)
            return section
        }
        let entries = rows.map { row in
            QualityFigure.Entry(
                cache: row.cache, bits: (row.bitsPerValueK + row.bitsPerValueV) / 2, value: row.perplexity)
        }
        let plot = QualityFigure(
            title: "Perplexity against bits per value",
            summary: entries.map {
                "\($0.cache) \(NumberText.fixed($0.bits, 2)) bits, \(NumberText.fixed($0.value, 3))"
            }
            .joined(separator: "; ") + ".", axis: Axis(title: "perplexity"), entries: entries, styles: styles
        ).plot
        section.figures.append(
            ReportFigure(
                title: "Perplexity against size",
                caption: QualityFigure.reading
                    + " The standard errors in the table are of each figure alone; the caches score the same tokens, so "
                    + "their differences are far more certain.", content: .plot(plot), table: table))
        return section
    }
}

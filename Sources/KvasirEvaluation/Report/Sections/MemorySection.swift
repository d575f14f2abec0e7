/// The part about results of kind `memory`.
enum MemorySection {
    static func make(_ group: SourceGroup, styles: CacheStyles) throws(EvaluationError) -> ReportSection {
        let reports = try group.results(as: MemoryReport.self)
        let (rows, replaced) = SourceGroup.latest(reports.flatMap(\.caches), name: \.cache)
        var section = ReportSection(title: "Memory", introduction: "What caches take as they grow.")
        section.notes += SourceGroup.note(replaced: replaced)
        let points = rows.map { row in
            (row.cache, row.points.sorted { $0.tokens < $1.tokens }.map { (tokens: $0.tokens, bytes: $0.cacheBytes) })
        }
        if let figure = MemoryFigure.make(points, caption: "Lower is better.", styles: styles) {
            section.figures.append(figure)
        } else {
            section.tables.append(
                DataTable(
                    title: "Bytes of the cache", columns: [.text("cache"), .number("tokens"), .number("bytes")],
                    rows: points.flatMap { cache, points in
                        points.map { [cache, NumberText.whole($0.tokens), NumberText.whole($0.bytes)] }
                    }))
        }
        return section
    }
}

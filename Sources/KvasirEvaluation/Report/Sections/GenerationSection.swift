/// The part about results of kind `generation`.
enum GenerationSection {
    /// What is read of the results; whatever else they hold is left alone.
    private struct Results: Decodable {
        struct Cache: Decodable {
            let cache: String
            let identical: Int?
            let medianFirstDifference: Int?
            let divergence: Double?
            let sameTop: Double?
            let repetition: Double?
            let divergenceByPosition: [Double]?
        }

        let reference: String
        let referenceRepetition: Double?
        let tokens: Int
        let prompts: [String]?
        let caches: [Cache]
    }

    /// Into how many parts a text is divided.
    private static let parts = 16

    static func make(_ group: SourceGroup, styles: CacheStyles) throws(EvaluationError) -> ReportSection {
        let reports = try group.results(as: Results.self)
        let (rows, replaced) = SourceGroup.latest(reports.flatMap(\.caches), name: \.cache)
        let first = reports[0]
        var section = ReportSection(
            title: "Long generations beside \(first.reference)",
            introduction: "\(first.prompts.map { "\($0.count) greedy texts" } ?? "Greedy texts") of "
                + "\(NumberText.whole(first.tokens)) tokens. Divergence is measured over the reference's text; repetition is "
                + "the share of repeated n-grams in each cache's own"
                + (first.referenceRepetition.map { " (\(first.reference): \(NumberText.percent($0)))." } ?? "."))
        section.notes += SourceGroup.note(replaced: replaced)
        let table = DataTable(
            title: "Generations of \(NumberText.whole(first.tokens)) tokens",
            columns: [.text("cache")]
                + ["identical texts", "first difference (median)", "mean KL", "same top token", "repetition"].map {
                    .number($0)
                },
            rows: rows.map { row in
                [
                    row.cache, row.identical.map(NumberText.whole) ?? "–",
                    row.medianFirstDifference.map(NumberText.whole) ?? "–",
                    row.divergence.map { NumberText.fixed($0, 4) } ?? "–",
                    row.sameTop.map { NumberText.percent($0) } ?? "–",
                    row.repetition.map { NumberText.percent($0) } ?? "–",
                ]
            })
        let series = rows.compactMap { row in line(row, styles) }
        guard !series.isEmpty else {
            section.tables.append(table)
            return section
        }
        section.figures.append(
            ReportFigure(
                title: "Divergence along the text",
                caption:
                    "Mean KL divergence from \(first.reference) in \(Self.parts) equal parts of its text, nats; a line that "
                    + "rises says that errors of the cache add up.",
                content: .plot(
                    Plot(
                        title: "Divergence along the text",
                        summary: "Mean Kullback-Leibler divergence of each cache in parts of the generated text.",
                        x: Axis(title: "generated tokens", isTight: true),
                        y: Axis(title: "mean KL divergence, nats (logarithmic)", spacing: .logarithmic), series: series)
                ),
                table: table))
        return section
    }

    /// The divergence in parts of the text; nil where there is none.
    private static func line(_ row: Results.Cache, _ styles: CacheStyles) -> Plot.Series? {
        guard let all = row.divergenceByPosition, all.count > 1 else { return nil }
        let parts = min(Self.parts, all.count)
        let points = (0..<parts).compactMap { part -> Plot.Point? in
            let range = part * all.count / parts..<(part + 1) * all.count / parts
            let mean = all[range].reduce(0, +) / Double(range.count)
            // A logarithm has no zero.
            guard mean > 0 else { return nil }
            return Plot.Point(
                x: Double(range.lowerBound + range.upperBound - 1) / 2, y: mean,
                note:
                    "\(row.cache), tokens \(range.lowerBound)–\(range.upperBound - 1): \(NumberText.significant(mean))")
        }
        return points.isEmpty ? nil : Plot.Series(name: row.cache, style: styles[row.cache], points: points)
    }
}

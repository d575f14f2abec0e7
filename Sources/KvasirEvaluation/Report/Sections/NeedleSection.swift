/// The part about results of kind `needle`.
enum NeedleSection {
    /// What is read of the results; whatever else they hold is left alone.
    private struct Results: Decodable {
        struct Cell: Decodable {
            let length: Int
            let depth: Int
            let trials: Int
            let exact: Int
            let first: Int
        }

        struct Cache: Decodable {
            let cache: String
            let exact: Double
            let exactError: Double?
            let first: Double
            let firstError: Double?
            let questions: Int
            let grid: [Cell]
        }

        let chance: Double?
        let caches: [Cache]
    }

    static func make(_ group: SourceGroup, styles: CacheStyles) throws(EvaluationError) -> ReportSection {
        let reports = try group.results(as: Results.self)
        let (rows, replaced) = SourceGroup.latest(reports.flatMap(\.caches), name: \.cache)
        var section = ReportSection(
            title: "Retrieval from long texts",
            introduction: "A number is hidden in a text, at some depth, and asked for at its end."
                + (reports.first?.chance.map { " Chance alone is right in \(NumberText.percent($0)) of the questions." }
                    ?? ""))
        section.notes += SourceGroup.note(replaced: replaced)
        section.figures.append(
            ReportFigure(
                title: "Answers found by length and depth",
                caption:
                    "The share of questions where no candidate is more likely than the right one. Rows are depths: where "
                    + "in the text the number stands; columns are lengths in tokens.",
                content: .grids(rows.map { grid($0.cache, $0.grid) }),
                table: DataTable(
                    title: "All lengths and depths together, with standard errors",
                    columns: [
                        .text("cache"), .number("questions"), .number("most likely"), .number("written exactly"),
                    ],
                    rows: rows.map { row in
                        [
                            row.cache, NumberText.whole(row.questions), share(row.first, row.firstError),
                            share(row.exact, row.exactError),
                        ]
                    })))
        return section
    }

    private static func share(_ value: Double, _ error: Double?) -> String {
        NumberText.fixed(value * 100, 1) + (error.map { " ± " + NumberText.fixed($0 * 100, 1) } ?? "") + " %"
    }

    /// A table that is coloured by its shares.
    private static func grid(_ cache: String, _ cells: [Results.Cell]) -> Markup {
        let lengths = Set(cells.map(\.length)).sorted()
        let depths = Set(cells.map(\.depth)).sorted()
        let heading =
            [element("th", ["scope": "col"], "depth")]
            + lengths.map { element("th", ["scope": "col"], NumberText.whole($0)) }
        let body = depths.map { depth in
            element(
                "tr", [:],
                [element("th", ["scope": "row"], "\(depth) %")]
                    + lengths.map { length -> Markup in
                        let found = cells.filter { $0.length == length && $0.depth == depth }
                        let trials = found.reduce(0) { $0 + $1.trials }
                        guard trials > 0 else { return element("td", ["style": "--v:0"], "–") }
                        let share = Double(found.reduce(0) { $0 + $1.first }) / Double(trials)
                        return element(
                            "td", ["style": "--v:\(place(share))"], NumberText.fixed(share * 100, 0))
                    })
        }
        return element(
            "table", ["class": "heat"],
            [
                element("caption", [:], "\(cache), per cent"), element("thead", [:], [element("tr", [:], heading)]),
                element("tbody", [:], body),
            ])
    }
}

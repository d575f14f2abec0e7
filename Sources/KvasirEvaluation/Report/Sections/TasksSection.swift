/// The part about results of kind `tasks`.
enum TasksSection {
    /// What is read of the results; whatever else they hold is left alone.
    private struct Results: Decodable {
        struct Task: Decodable {
            let task: String
            let version: Version?
            let metric: String
            let value: Double
            let standardError: Double?
            let items: Int?
        }

        struct Cache: Decodable {
            let cache: String
            let tasks: [Task]
        }

        let caches: [Cache]
    }

    /// A version as a number or a word.
    private enum Version: Decodable {
        case number(Double)
        case word(String)

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Double.self) {
                self = .number(number)
            } else {
                self = .word(try container.decode(String.self))
            }
        }

        var text: String {
            switch self {
            case .number(let number): NumberText.tick(number)
            case .word(let word): word
            }
        }
    }

    /// An accuracy of one cache.
    private struct Row {
        let cache: String
        let task: Results.Task

        var name: String { "\(task.task), \(task.metric)" }
    }

    static func make(_ group: SourceGroup, styles: CacheStyles) throws(EvaluationError) -> ReportSection {
        let all = try group.results(as: Results.self).flatMap(\.caches).flatMap { cache in
            cache.tasks.map { Row(cache: cache.cache, task: $0) }
        }
        let (rows, replaced) = SourceGroup.latest(all) { "\($0.cache), \($0.name)" }
        var names: [String] = []
        var caches: [String] = []
        for row in rows {
            if !names.contains(row.name) { names.append(row.name) }
            if !caches.contains(row.cache) { caches.append(row.cache) }
        }
        var section = ReportSection(
            title: "Zero-shot tasks",
            introduction:
                "Accuracies with prompts, scoring and metrics of lm-evaluation-harness for the task versions in "
                + "the table.")
        section.notes += SourceGroup.note(replaced: replaced)
        func row(_ cache: String, _ name: String) -> Row? { rows.first { $0.cache == cache && $0.name == name } }
        let plot = IntervalPlot(
            title: "Accuracy of each task with each cache",
            summary: "For every task and metric a point for each cache with one standard error to both sides.",
            axis: Axis(title: "accuracy", format: { NumberText.tick($0 * 100) + " %" }),
            groups: names.map { name in
                IntervalPlot.Group(
                    name: name,
                    estimates: caches.compactMap { cache in
                        row(cache, name).map { row in
                            .init(
                                name: cache, style: styles[cache], value: row.task.value,
                                error: row.task.standardError,
                                note: "\(name), \(cache): \(NumberText.percent(row.task.value))")
                        }
                    })
            })
        section.figures.append(
            ReportFigure(
                title: "Accuracy by task",
                caption:
                    "Further right is better; the bars are one standard error. The caches answer the same items, so "
                    + "differences between them are more certain than the bars suggest.", content: .intervals(plot),
                table: DataTable(
                    title: "Accuracy in per cent, with its standard error",
                    columns: [.text("task"), .text("version"), .number("items")] + caches.map { .number($0) },
                    rows: names.map { name in
                        let first = rows.first { $0.name == name }?.task
                        return [name, first?.version?.text ?? "–", first?.items.map(NumberText.whole) ?? "–"]
                            + caches.map { cache in
                                row(cache, name).map { row in
                                    NumberText.fixed(row.task.value * 100, 2)
                                        + (row.task.standardError.map { " ± " + NumberText.fixed($0 * 100, 2) } ?? "")
                                } ?? "–"
                            }
                    })))
        return section
    }
}

import KvasirEvaluation

/// The accuracies of tasks as a table, a column for each cache.
struct TaskTable {
    let text: String

    init(_ report: TaskReport, _ settings: TaskSettings, model: ModelDescription) {
        let first = report.caches.first
        var text = "| task | items | metric | \(report.caches.map(\.cache).joined(separator: " | ")) |\n"
        text += "| --- | --- | --- |\(report.caches.map { _ in " --- |" }.joined())\n"
        for (number, row) in (first?.tasks ?? []).enumerated() {
            let cells = report.caches.map { Self.cell($0.tasks[number].share) }
            text += Self.row(row.task, row.items.grouped, row.metric, cells)
        }
        if first?.average != nil {
            text += Self.row("mean", "", .accuracy, report.caches.map { $0.average.map(Self.cell) ?? "" })
        }
        text += "\n\(model.label), accuracy in % ± standard error"
        if let reference = first?.cache, report.caches.count > 1 {
            text += "; in brackets the change against \(reference), item by item"
        }
        text += "\nlinear layers in \(settings.linear)"
        text += settings.prefill == .exact ? "; contexts attend to their own keys and values\n" : "\n"
        let cut = (first?.tasks ?? []).filter { $0.truncatedItems > 0 && $0.metric == .accuracy }
        if !cut.isEmpty {
            let counts = cut.map { "\($0.truncatedItems.grouped) of \($0.task)" }.joined(separator: ", ")
            text += "cut from the left to a context of \(settings.context.grouped) tokens: \(counts)\n"
        }
        self.text = text
    }

    private static func row(_ task: String, _ items: String, _ metric: TaskMetric, _ cells: [String]) -> String {
        "| \(task) | \(items) | \(metric.rawValue) | \(cells.joined(separator: " | ")) |\n"
    }

    private static func cell(_ share: TaskReport.Share) -> String {
        func percent(_ value: Double, _ error: Double?, sign: String = "") -> String {
            "\(sign)\((value * 100).fixed(2))" + (error.map { " ± \(($0 * 100).fixed(2))" } ?? "")
        }
        let value = percent(share.value, share.standardError)
        guard let change = share.difference else { return value }
        return value + " (\(percent(change, share.differenceError, sign: change > 0 ? "+" : "")))"
    }
}

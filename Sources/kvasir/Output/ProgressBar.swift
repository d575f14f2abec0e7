import KvasirEvaluation

/// A line on the terminal that is drawn again after every unit of work; nothing where there is no terminal.
struct ProgressBar {
    /// What is counted: `window`.
    let unit: String

    private static let width = 24
    private let start = ContinuousClock.now

    init(unit: String) { self.unit = unit }

    func update(_ progress: EvaluationProgress) {
        guard Console.errorIsTerminal else { return }
        Console.draw("\r\u{1B}[K" + line(progress, elapsed: ContinuousClock.now - start))
    }

    /// The line: a bar, what is done, the result so far, and the time left, for which resumed units do not count.
    func line(_ progress: EvaluationProgress, elapsed: Duration) -> String {
        let filled = Self.width * progress.finished / max(progress.total, 1)
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: Self.width - filled)
        var parts = ["\(bar) \(unit) \(progress.finished) of \(progress.total)"]
        if !progress.detail.isEmpty { parts.append(progress.detail) }
        let computed = progress.finished - progress.resumed
        if computed > 0 {
            parts.append("\((elapsed / computed * (progress.total - progress.finished)).spoken) left")
        }
        return parts.joined(separator: ", ")
    }

    func finish() {
        if Console.errorIsTerminal { Console.draw("\r\u{1B}[K") }
    }
}

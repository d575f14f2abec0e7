import Foundation

extension Double {
    /// The number with a fixed count of decimals.
    func fixed(_ decimals: Int) -> String { String(format: "%.\(decimals)f", self) }
}

extension Int {
    /// The number with a comma between groups of three digits, whatever the locale.
    var grouped: String {
        var digits = Array(String(magnitude))
        var position = digits.count - 3
        while position > 0 {
            digits.insert(",", at: position)
            position -= 3
        }
        return (self < 0 ? "-" : "") + String(digits)
    }
}

extension Duration {
    /// The time in seconds.
    var seconds: Double { self / .seconds(1) }

    /// The time as a person says it: `8 s`, `3 min 20 s`, `2 h 5 min`.
    var spoken: String {
        let whole = components.seconds + (components.attoseconds > 0 ? 1 : 0)
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3600) h \(whole / 60 % 60) min"
    }
}

/// Rows of two columns, the first as wide as its longest entry.
func table(_ rows: [(label: String, value: String)]) -> String {
    let width = rows.map(\.label.count).max() ?? 0
    return rows.map { row in
        row.label + String(repeating: " ", count: width - row.label.count + 2) + row.value
    }.joined(separator: "\n")
}

/// Rows of any number of columns, each as wide as its longest entry but the last.
func table(columns rows: [[String]]) -> String {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
    return rows.map { row in
        row.enumerated().map { column, text in
            column == row.count - 1 ? text : text + String(repeating: " ", count: widths[column] - text.count)
        }.joined(separator: "  ")
    }.joined(separator: "\n")
}

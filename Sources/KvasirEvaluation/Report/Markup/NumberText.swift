internal import Foundation

/// Numbers as they stand in tables and on axes: a comma between groups of three digits, a true minus, no locale.
enum NumberText {
    /// A number with a fixed count of decimals.
    static func fixed(_ value: Double, _ decimals: Int) -> String {
        guard value.isFinite else { return "–" }
        let text = String(format: "%.\(decimals)f", abs(value))
        let parts = text.split(separator: ".", maxSplits: 1)
        let grouped = group(String(parts[0])) + (parts.count > 1 ? "." + parts[1] : "")
        return value < 0 && text.contains { ("1"..."9").contains($0) } ? "\u{2212}" + grouped : grouped
    }

    /// A whole number.
    static func whole(_ value: Int) -> String {
        (value < 0 ? "\u{2212}" : "") + group(String(value.magnitude))
    }

    /// A number with a count of significant digits.
    static func significant(_ value: Double, _ digits: Int = 3) -> String {
        guard value.isFinite, value != 0 else { return value == 0 ? "0" : "–" }
        let exponent = Int(floor(log10(abs(value))))
        return fixed(value, min(max(digits - 1 - exponent, 0), 9))
    }

    /// A tick: as few decimals as tell it from its neighbours, none at the end that say nothing.
    static func tick(_ value: Double) -> String {
        guard value != 0 else { return "0" }
        let exponent = Int(floor(log10(abs(value))))
        if exponent < -6 || exponent > 9 { return String(format: "%.3g", value) }
        var text = fixed(value, max(2 - exponent, 0))
        if text.contains(".") {
            while text.hasSuffix("0") { text.removeLast() }
            if text.hasSuffix(".") { text.removeLast() }
        }
        return text
    }

    /// A share as per cent.
    static func percent(_ share: Double, _ decimals: Int = 1) -> String { fixed(share * 100, decimals) + "\u{A0}%" }

    /// Bytes in the unit that suits.
    static func bytes(_ count: Double) -> String {
        var value = count
        for unit in ["bytes", "KiB", "MiB", "GiB"] {
            if value < 1024 || unit == "GiB" { return "\(fixed(value, unit == "bytes" ? 0 : 1)) \(unit)" }
            value /= 1024
        }
        return ""
    }

    private static func group(_ digits: String) -> String {
        var digits = Array(digits)
        var position = digits.count - 3
        while position > 0 {
            digits.insert(",", at: position)
            position -= 3
        }
        return String(digits)
    }
}

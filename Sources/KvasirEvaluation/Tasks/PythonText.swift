/// The operations on text that the harness's tasks are written in, with Python's meaning of them: by Unicode scalars, where
/// Swift's strings compare whole characters.
enum PythonText {
    /// White space as Python's `str.isspace` has it: Unicode's, and the four separators of ASCII.
    static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
    }

    /// The text without white space at either end.
    static func stripped(_ text: String) -> String {
        let scalars = text.unicodeScalars
        guard let first = scalars.firstIndex(where: { !isSpace($0) }),
            let last = scalars.lastIndex(where: { !isSpace($0) })
        else { return "" }
        return String(scalars[first...last])
    }

    /// The text cut in two before the white space at its end.
    static func splitBeforeTrailingSpace(_ text: String) -> (text: String, space: String) {
        let scalars = text.unicodeScalars
        guard let last = scalars.lastIndex(where: { !isSpace($0) }) else { return ("", text) }
        let end = scalars.index(after: last)
        return (String(scalars[..<end]), String(scalars[end...]))
    }

    /// The first scalar in title case, all others in lower case.
    static func capitalized(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        var result = ""
        for (index, scalar) in scalars.enumerated() {
            if index == 0 {
                result += scalar.properties.titlecaseMapping
            } else if scalar == "\u{3A3}" {
                result += isFinalSigma(scalars, at: index) ? "\u{3C2}" : "\u{3C3}"
            } else {
                result += scalar.properties.lowercaseMapping
            }
        }
        return result
    }

    /// Whether the sigma there ends a word: the Unicode standard's condition Final_Sigma, table 3-17.
    private static func isFinalSigma(_ scalars: [Unicode.Scalar], at index: Int) -> Bool {
        let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
        let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
        return before?.properties.isCased == true && after?.properties.isCased != true
    }

    /// The text without what `\[.*?\]` matches: from a bracket to the next closing one on the same line.
    static func removingBrackets(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var kept: [UInt8] = []
        kept.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "["),
                let end = bytes[index...].firstIndex(where: { $0 == UInt8(ascii: "]") || $0 == UInt8(ascii: "\n") }),
                bytes[end] == UInt8(ascii: "]")
            {
                index = end + 1
            } else {
                kept.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: kept, as: UTF8.self)
    }

    /// The text with every `part` replaced, from the left, found as scalars.
    static func replacing(_ part: String, in text: String, with other: String) -> String {
        let bytes = Array(text.utf8)
        let part = Array(part.utf8)
        precondition(!part.isEmpty, "nothing occurs everywhere")
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            if bytes[index...].starts(with: part) {
                result += other.utf8
                index += part.count
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Python's `len`.
    static func length(_ text: String) -> Int { text.unicodeScalars.count }
}

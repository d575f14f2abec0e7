/// The source of a Jinja template as bytes to search in.
struct TemplateSource {
    private let bytes: [UInt8]

    init(_ source: String) { bytes = Array(source.utf8) }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    /// The same without spaces and line breaks, to compare what differs in layout only.
    var withoutWhitespace: TemplateSource { TemplateSource(bytes: bytes.filter { $0 > 0x20 }) }

    func contains(_ text: String) -> Bool { bytes.firstRange(of: Array(text.utf8)) != nil }

    /// The first of `texts` that occurs.
    func first(of texts: [String]) -> String? { texts.first(where: contains) }

    /// The string literals, and stretches of plain text, that contain `start`: what follows it there, up to `end`.
    ///
    /// `start` and `end` are given as they are meant, with real line breaks; escapes in the literals are resolved. Where
    /// a literal ends before `end` does, the text is composed at run time and there is nothing to find.
    func literals(between start: String, and end: String) -> [String] {
        let start = Array(start.utf8)
        let end = Array(end.utf8)
        var found: [String] = []
        for segment in segments {
            for range in segment.ranges(of: start) {
                let rest = segment[range.upperBound...]
                guard let close = rest.firstRange(of: end) else { continue }
                found.append(String(decoding: rest[..<close.lowerBound], as: UTF8.self))
            }
        }
        return found
    }

    /// The string literal that is last assigned to a variable: `set name = "…"`.
    func stringConstant(named name: String) -> String? {
        var constant: String?
        for range in bytes.ranges(of: Array("\(name) = ".utf8)) {
            var index = range.upperBound
            guard index < bytes.count, isQuote(bytes[index]) else { continue }
            constant = String(decoding: literal(at: &index), as: UTF8.self)
        }
        return constant
    }

    /// The template's constant text: what stands outside `{{ }}`, `{% %}` and `{# #}`, and string literals within.
    private var segments: [[UInt8]] {
        var segments: [[UInt8]] = []
        var index = 0
        while index < bytes.count {
            let open = tagStart(from: index)
            if open > index { segments.append(Array(bytes[index..<open])) }
            index = open
            guard index < bytes.count else { break }
            let kind = bytes[index + 1]
            let closing: [UInt8] = [kind == UInt8(ascii: "{") ? UInt8(ascii: "}") : kind, UInt8(ascii: "}")]
            index += 2
            while index < bytes.count, !bytes[index...].starts(with: closing) {
                if isQuote(bytes[index]), kind != UInt8(ascii: "#") {
                    segments.append(literal(at: &index))
                } else {
                    index += 1
                }
            }
            index = min(index + 2, bytes.count)
        }
        return segments
    }

    private func isQuote(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") }

    private func tagStart(from start: Int) -> Int {
        var index = start
        while index + 1 < bytes.count {
            if bytes[index] == UInt8(ascii: "{"), "{%#".utf8.contains(bytes[index + 1]) { return index }
            index += 1
        }
        return bytes.count
    }

    /// Reads the literal whose quote is at `index` and moves past it.
    private func literal(at index: inout Int) -> [UInt8] {
        let quote = bytes[index]
        var text: [UInt8] = []
        index += 1
        while index < bytes.count, bytes[index] != quote {
            if bytes[index] == UInt8(ascii: "\\"), index + 1 < bytes.count {
                index += 1
                switch bytes[index] {
                case UInt8(ascii: "n"): text.append(0x0A)
                case UInt8(ascii: "r"): text.append(0x0D)
                case UInt8(ascii: "t"): text.append(0x09)
                default: text.append(bytes[index])
                }
            } else {
                text.append(bytes[index])
            }
            index += 1
        }
        index = min(index + 1, bytes.count)
        return text
    }
}

/// A piece of a page: text, or an element with attributes and content.
///
/// Written so that readers of HTML and of XML understand the same.
indirect enum Markup {
    case text(String)
    /// A style sheet: HTML reads it as it is, so it must not hold what XML would take for markup.
    case style(String)
    case element(String, [(name: String, value: String)], [Markup])

    /// Elements without content that HTML wants closed at once; every other gets an end tag.
    private static let void: Set<String> = [
        "meta", "br", "hr", "link", "path", "line", "rect", "circle", "polyline", "polygon", "col",
    ]

    /// The markup as text.
    var rendered: String {
        var text = ""
        write(to: &text)
        return text
    }

    private func write(to output: inout String) {
        switch self {
        case .text(let text): output += Self.escape(text)
        case .style(let sheet):
            precondition(!sheet.contains { $0 == "<" || $0 == "&" }, "a style sheet with markup")
            output += sheet
        case .element(let name, let attributes, let content):
            output += "<\(name)"
            for attribute in attributes { output += " \(attribute.name)=\"\(Self.escape(attribute.value))\"" }
            if content.isEmpty, Self.void.contains(name) {
                output += "/>"
                return
            }
            output += ">"
            for piece in content { piece.write(to: &output) }
            output += "</\(name)>"
        }
    }

    /// Text that stands for itself in content and in attributes; what XML cannot hold becomes the replacement character.
    static func escape(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\t", "\n": result.unicodeScalars.append(scalar)
            case "\u{0}"..<"\u{20}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

/// An element; attributes without a value are left out.
func element(_ name: String, _ attributes: KeyValuePairs<String, String?> = [:], _ content: [Markup] = []) -> Markup {
    .element(name, attributes.compactMap { name, value in value.map { (name, $0) } }, content)
}

/// An element with text.
func element(_ name: String, _ attributes: KeyValuePairs<String, String?> = [:], _ text: String) -> Markup {
    element(name, attributes, [.text(text)])
}

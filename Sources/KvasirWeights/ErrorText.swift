/// Returns `text` in single quotes, shortened to 80 characters, for use in a message.
func quoted(_ text: String) -> String {
    text.count <= 80 ? "'\(text)'" : "'\(text.prefix(77))...'"
}

/// Returns `text` with control characters escaped: names from a file must not break a message into lines.
func onOneLine(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var line = ""
    for scalar in text.unicodeScalars {
        line += isControl(scalar) ? scalar.escaped(asASCII: true) : String(scalar)
    }
    return line
}

private func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator, .format: true
    default: false
    }
}

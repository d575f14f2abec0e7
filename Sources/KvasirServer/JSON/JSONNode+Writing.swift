#if Server
extension JSONNode {
    /// How a value is written.
    enum Style: Sendable {
        /// Without any space.
        case compact
        /// A space after commas and colons, as Python's `json.dumps` has it, which chat templates were made with.
        case spaced
    }

    /// The value as text.
    func text(_ style: Style = .compact) -> String { String(decoding: bytes(style), as: UTF8.self) }

    /// The value as UTF-8.
    func bytes(_ style: Style = .compact) -> [UInt8] {
        var bytes: [UInt8] = []
        write(to: &bytes, style)
        return bytes
    }

    private func write(to bytes: inout [UInt8], _ style: Style) {
        switch self {
        case .null: bytes += "null".utf8
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .integer(let value): bytes += String(value).utf8
        case .number(let value): Self.write(value, to: &bytes)
        case .string(let value): Self.write(value, to: &bytes)
        case .array(let elements):
            bytes.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { bytes += (style == .spaced ? ", " : ",").utf8 }
                element.write(to: &bytes, style)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let members):
            bytes.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { bytes += (style == .spaced ? ", " : ",").utf8 }
                Self.write(member.name, to: &bytes)
                bytes += (style == .spaced ? ": " : ":").utf8
                member.value.write(to: &bytes, style)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    /// JSON has neither infinities nor NaN; a whole number is written without a fraction.
    private static func write(_ value: Double, to bytes: inout [UInt8]) {
        guard value.isFinite else {
            bytes += "null".utf8
            return
        }
        if let integer = Int(exactly: value), abs(integer) < 1 << 53 {
            bytes += String(integer).utf8
            bytes += ".0".utf8
        } else {
            bytes += String(describing: value).utf8
        }
    }

    private static func write(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): bytes += "\\\"".utf8
            case UInt8(ascii: "\\"): bytes += "\\\\".utf8
            case 0x0A: bytes += "\\n".utf8
            case 0x0D: bytes += "\\r".utf8
            case 0x09: bytes += "\\t".utf8
            case 0..<0x20:
                bytes += "\\u00".utf8
                bytes.append(UInt8(ascii: byte < 0x10 ? "0" : "1"))
                bytes += String(byte & 15, radix: 16).utf8
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
#endif

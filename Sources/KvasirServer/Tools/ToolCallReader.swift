#if Server
/// Finds the calls of tools in an answer as it comes.
///
/// Text goes through as soon as it cannot be the beginning of a call. A call that begins with its name gives its arguments
/// on as they come, every other when it is whole. What turns out to be no call is text again.
struct ToolCallReader: Sendable {
    /// What was found.
    enum Piece: Sendable, Hashable {
        case text(String)
        /// A call has begun.
        case call(index: Int, id: String, name: String)
        /// More of the last call's arguments.
        case arguments(index: Int, String)
    }

    private enum Place: Sendable {
        /// Outside of calls.
        case text
        /// Within the tags, before the arguments' value.
        case head
        /// Within the arguments of a call that has been announced.
        case arguments(Scanner)
        /// After the arguments.
        case tail
    }

    /// Whether calls have been found.
    var hasCalls: Bool { calls > 0 }

    private let isActive: Bool
    private var place = Place.text
    /// What has come and is not given on yet.
    private var held: [UInt8] = []
    private var calls = 0
    private let makeID: @Sendable () -> String

    /// - Parameters:
    ///   - isActive: whether to look for calls at all.
    ///   - makeID: names calls.
    init(isActive: Bool, makeID: @escaping @Sendable () -> String = { "call_" + Identifier.random().prefix(24) }) {
        self.isActive = isActive
        self.makeID = makeID
    }

    /// Takes more text.
    mutating func take(_ text: String) -> [Piece] {
        guard !text.isEmpty else { return [] }
        guard isActive else { return [.text(text)] }
        held += text.utf8
        var pieces: [Piece] = []
        while advance(&pieces) {}
        return pieces
    }

    /// Ends the text.
    mutating func finish() -> [Piece] {
        guard isActive else { return [] }
        defer { held = [] }
        switch place {
        case .text: return held.isEmpty ? [] : [.text(String(decoding: held, as: UTF8.self))]
        case .head:
            // Models leave the closing tag out at the end of a text.
            if let pieces = wholeCall(held) { return pieces }
            return [.text(ToolPrompt.opening + String(decoding: held, as: UTF8.self))]
        case .arguments, .tail: return []
        }
    }

    private mutating func advance(_ pieces: inout [Piece]) -> Bool {
        switch place {
        case .text:
            if let range = Self.range(of: Array(ToolPrompt.opening.utf8), in: held) {
                // The line break before a call belongs to it.
                var text = held[..<range.lowerBound]
                while let last = text.last, last == 0x0A { text.removeLast() }
                if !text.isEmpty { pieces.append(.text(String(decoding: text, as: UTF8.self))) }
                held.removeFirst(range.upperBound)
                place = .head
                return true
            }
            let certain = held.count - Self.possibleStart(of: ToolPrompt.opening, atEndOf: held)
            if certain > 0 {
                pieces.append(.text(String(decoding: held[..<certain], as: UTF8.self)))
                held.removeFirst(certain)
            }
            return false
        case .head:
            if let (name, count) = Self.announcedCall(held) {
                pieces.append(.call(index: calls, id: makeID(), name: name))
                calls += 1
                held.removeFirst(count)
                place = .arguments(Scanner())
                return true
            }
            guard let range = Self.range(of: Array(ToolPrompt.closing.utf8), in: held) else { return false }
            let body = Array(held[..<range.lowerBound])
            held.removeFirst(range.upperBound)
            place = .text
            pieces +=
                wholeCall(body)
                ?? [.text(ToolPrompt.opening + String(decoding: body, as: UTF8.self) + ToolPrompt.closing)]
            return true
        case .arguments(var scanner):
            let count = scanner.take(held)
            // Only whole characters: the text comes in whole ones, and JSON ends with ASCII.
            if count > 0 {
                pieces.append(.arguments(index: calls - 1, String(decoding: held[..<count], as: UTF8.self)))
                held.removeFirst(count)
            }
            place = scanner.isDone ? .tail : .arguments(scanner)
            return scanner.isDone
        case .tail:
            guard let range = Self.range(of: Array(ToolPrompt.closing.utf8), in: held) else { return false }
            held.removeFirst(range.upperBound)
            // And so does the one after it.
            while held.first == 0x0A { held.removeFirst() }
            place = .text
            return !held.isEmpty
        }
    }

    private mutating func wholeCall(_ body: [UInt8]) -> [Piece]? {
        guard let json = try? JSONNode(parsing: body), let name = json["name"]?.string, !name.isEmpty else {
            return nil
        }
        let arguments: String
        switch json["arguments"] ?? json["parameters"] {
        case .string(let text): arguments = text
        case .some(let value): arguments = value.text(.spaced)
        case nil: arguments = "{}"
        }
        calls += 1
        return [.call(index: calls - 1, id: makeID(), name: name), .arguments(index: calls - 1, arguments)]
    }

    /// The name of a call that reads `{"name": "…", "arguments": {` so far, and the bytes before the last brace.
    private static func announcedCall(_ bytes: [UInt8]) -> (name: String, count: Int)? {
        var index = 0
        func skipSpace() { while index < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[index]) { index += 1 } }
        func take(_ text: String) -> Bool {
            skipSpace()
            guard bytes[index...].starts(with: text.utf8) else { return false }
            index += text.utf8.count
            return true
        }
        guard take("{"), take("\"name\""), take(":"), take("\"") else { return nil }
        let start = index - 1
        while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
            index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard index < bytes.count, case .string(let name)? = try? JSONNode(parsing: bytes[start...index]), !name.isEmpty
        else { return nil }
        index += 1
        guard take(","), take("\"arguments\""), take(":") else { return nil }
        skipSpace()
        guard index < bytes.count, bytes[index] == UInt8(ascii: "{") else { return nil }
        return (name, index)
    }

    private static func range(of needle: [UInt8], in bytes: [UInt8]) -> Range<Int>? {
        guard bytes.count >= needle.count else { return nil }
        return (0...bytes.count - needle.count).first { bytes[$0...].starts(with: needle) }
            .map { $0..<$0 + needle.count }
    }

    /// How many bytes at the end might begin a tag, with the line break that would belong to it.
    private static func possibleStart(of tag: String, atEndOf bytes: [UInt8]) -> Int {
        let tag = Array(tag.utf8)
        var count =
            (1..<tag.count).reversed().first { count in
                bytes.count >= count && bytes.suffix(count).elementsEqual(tag.prefix(count))
            } ?? 0
        while count < bytes.count, bytes[bytes.count - 1 - count] == 0x0A { count += 1 }
        return count
    }

    /// Finds the end of an object.
    private struct Scanner: Sendable {
        private var depth = 0
        private var isInString = false
        private var isEscaped = false
        private(set) var isDone = false

        /// Takes bytes up to the object's end; returns how many.
        mutating func take(_ bytes: [UInt8]) -> Int {
            for (index, byte) in bytes.enumerated() {
                if isInString {
                    if isEscaped {
                        isEscaped = false
                    } else if byte == UInt8(ascii: "\\") {
                        isEscaped = true
                    } else if byte == UInt8(ascii: "\"") {
                        isInString = false
                    }
                    continue
                }
                switch byte {
                case UInt8(ascii: "\""): isInString = true
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    depth -= 1
                    if depth == 0 {
                        isDone = true
                        return index + 1
                    }
                default: break
                }
            }
            return bytes.count
        }
    }
}
#endif

/// Reads JSON (RFC 8259) from front to back, in place.
///
/// Headers and vocabularies come from strangers and can be large: nothing is kept that the caller does not ask for,
/// nesting is bounded, and what the standard does not allow is an error. Whether an object names a member twice is for
/// the caller to notice, who keeps the names; `value` does.
///
/// The bytes must stay where they are while the reader is used.
public struct JSONReader {
    /// What a value is, by its first byte.
    public enum Kind: String, Sendable, Hashable {
        case object, array, string, number, bool, null
    }

    /// Where the reader is.
    public private(set) var offset: Int

    private let bytes: UnsafeRawBufferPointer
    private let maximumDepth: Int
    /// For every object and array that is open: whether a member or element of it has been read.
    private var open: [Bool] = []

    /// Starts at a value.
    ///
    /// - Parameters:
    ///   - bytes: the text.
    ///   - offset: where the value begins, or white space before it.
    ///   - maximumDepth: the most objects and arrays within one another.
    public init(_ bytes: UnsafeRawBufferPointer, at offset: Int = 0, maximumDepth: Int = 32) {
        self.bytes = bytes
        self.offset = offset
        self.maximumDepth = maximumDepth
    }

    /// What comes next.
    public mutating func kind() throws(JSONError) -> Kind {
        switch try next() {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
        case UInt8(ascii: "n"): return .null
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case let byte: throw error("expected a value, found byte 0x\(String(byte, radix: 16))")
        }
    }

    // MARK: - Objects and arrays

    /// Enters an object; `nextKey` goes through it.
    public mutating func beginObject() throws(JSONError) { try begin(UInt8(ascii: "{"), "an object") }

    /// Enters an array; `nextElement` goes through it.
    public mutating func beginArray() throws(JSONError) { try begin(UInt8(ascii: "["), "an array") }

    /// The name of the object's next member, whose value must then be read; nil at the end, which is passed.
    public mutating func nextKey() throws(JSONError) -> String? {
        guard try advance(closing: UInt8(ascii: "}")) else { return nil }
        let key = try string()
        try expect(UInt8(ascii: ":"), "':'")
        return key
    }

    /// As `nextKey`, with the bytes of the name.
    public mutating func nextKey(into bytes: inout [UInt8]) throws(JSONError) -> Bool {
        guard try advance(closing: UInt8(ascii: "}")) else { return false }
        try string(into: &bytes)
        try expect(UInt8(ascii: ":"), "':'")
        return true
    }

    /// Whether the array has one more element, which must then be read; the end is passed.
    public mutating func nextElement() throws(JSONError) -> Bool { try advance(closing: UInt8(ascii: "]")) }

    /// Passes over a value.
    public mutating func skip() throws(JSONError) {
        switch try kind() {
        case .object:
            try beginObject()
            while try advance(closing: UInt8(ascii: "}")) {
                try skipString()
                try expect(UInt8(ascii: ":"), "':'")
                try skip()
            }
        case .array:
            try beginArray()
            while try nextElement() { try skip() }
        case .string: try skipString()
        case .number: _ = try numberText()
        case .bool: _ = try bool()
        case .null: try null()
        }
    }

    /// Checks that nothing but white space follows.
    public mutating func end() throws(JSONError) {
        skipSpace()
        guard offset == bytes.count else { throw error("expected the end of the text") }
    }

    private mutating func begin(_ byte: UInt8, _ name: String) throws(JSONError) {
        guard try next() == byte else { throw error("expected \(name)") }
        guard open.count < maximumDepth else {
            throw error("objects and arrays are nested deeper than \(maximumDepth)")
        }
        offset += 1
        open.append(false)
    }

    private mutating func advance(closing: UInt8) throws(JSONError) -> Bool {
        precondition(!open.isEmpty, "an object or array has been entered")
        let byte = try next()
        if byte == closing {
            offset += 1
            open.removeLast()
            return false
        }
        if open[open.count - 1] {
            try expect(UInt8(ascii: ","), "',' or '\(Character(Unicode.Scalar(closing)))'")
            // Nothing closes after a comma; the value's own reader says what it expects.
            _ = try next()
        }
        open[open.count - 1] = true
        return true
    }

    // MARK: - Single values

    /// Reads a string.
    public mutating func string() throws(JSONError) -> String {
        var contents: [UInt8] = []
        let start = offset
        try string(into: &contents)
        guard let string = String(validating: contents, as: UTF8.self) else {
            throw JSONError(offset: start, problem: "a string is not valid UTF-8")
        }
        return string
    }

    /// Reads a string's bytes, its escapes resolved, in place of what `contents` holds.
    public mutating func string(into contents: inout [UInt8]) throws(JSONError) {
        contents.removeAll(keepingCapacity: true)
        guard try next() == UInt8(ascii: "\"") else { throw error("expected a string") }
        offset += 1
        while true {
            let run = offset
            while offset < bytes.count, bytes[offset] != UInt8(ascii: "\""), bytes[offset] != UInt8(ascii: "\\"),
                bytes[offset] >= 0x20
            { offset += 1 }
            contents.append(contentsOf: bytes[run..<offset])
            guard offset < bytes.count else { throw error("the text ends within a string") }
            guard bytes[offset] >= 0x20 else { throw error("a string holds a control character") }
            offset += 1
            if bytes[offset - 1] == UInt8(ascii: "\"") { return }
            try escape(into: &contents)
        }
    }

    /// Reads a truth value.
    public mutating func bool() throws(JSONError) -> Bool {
        if try next() == UInt8(ascii: "t") {
            try literal("true")
            return true
        }
        try literal("false")
        return false
    }

    /// Reads `null`.
    public mutating func null() throws(JSONError) {
        _ = try next()
        try literal("null")
    }

    /// Reads a number without a fraction or exponent.
    public mutating func integer() throws(JSONError) -> Int {
        let start = offset
        let (text, isInteger) = try numberText()
        guard isInteger, let value = Int(text) else {
            throw JSONError(offset: start, problem: "expected an integer of 64 bits, found \(text.prefix(40))")
        }
        return value
    }

    /// Reads a number.
    public mutating func number() throws(JSONError) -> Double {
        let start = offset
        let (text, _) = try numberText()
        guard let value = Double(text), value.isFinite else {
            throw JSONError(offset: start, problem: "the number \(text.prefix(40)) is out of range")
        }
        return value
    }

    /// Reads a number as it is written, and whether it has neither fraction nor exponent.
    mutating func numberText() throws(JSONError) -> (text: String, isInteger: Bool) {
        _ = try next()
        let start = offset
        func digits() -> Int {
            let first = offset
            while offset < bytes.count, (0x30...0x39).contains(bytes[offset]) { offset += 1 }
            return offset - first
        }
        func take(_ byte: UInt8) -> Bool {
            guard offset < bytes.count, bytes[offset] == byte else { return false }
            offset += 1
            return true
        }
        _ = take(UInt8(ascii: "-"))
        let leading = offset
        let whole = digits()
        guard whole > 0, whole == 1 || bytes[leading] != UInt8(ascii: "0") else { throw error("expected a number") }
        var isInteger = true
        if take(UInt8(ascii: ".")) {
            isInteger = false
            guard digits() > 0 else { throw error("expected a digit after the point") }
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            isInteger = false
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            guard digits() > 0 else { throw error("expected a digit in the exponent") }
        }
        return (String(decoding: bytes[start..<offset], as: UTF8.self), isInteger)
    }

    // MARK: - Bytes

    private func error(_ problem: String) -> JSONError { JSONError(offset: offset, problem: problem) }

    private mutating func skipSpace() {
        while offset < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[offset]) { offset += 1 }
    }

    /// The next byte that is not white space; the reader stays before it.
    private mutating func next() throws(JSONError) -> UInt8 {
        skipSpace()
        guard offset < bytes.count else { throw error("the text ends too early") }
        return bytes[offset]
    }

    private mutating func expect(_ byte: UInt8, _ name: String) throws(JSONError) {
        guard try next() == byte else { throw error("expected \(name)") }
        offset += 1
    }

    private mutating func literal(_ text: StaticString) throws(JSONError) {
        let expected = UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        guard bytes[offset...].starts(with: expected) else { throw error("expected \(text)") }
        offset += expected.count
    }

    private mutating func skipString() throws(JSONError) {
        guard try next() == UInt8(ascii: "\"") else { throw error("expected a string") }
        offset += 1
        while offset < bytes.count, bytes[offset] != UInt8(ascii: "\"") {
            offset += bytes[offset] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard offset < bytes.count else {
            offset = bytes.count
            throw error("the text ends within a string")
        }
        offset += 1
    }

    /// Reads what follows a backslash.
    private mutating func escape(into contents: inout [UInt8]) throws(JSONError) {
        guard offset < bytes.count else { throw error("the text ends within a string") }
        let byte = bytes[offset]
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): contents.append(byte)
        case UInt8(ascii: "b"): contents.append(0x08)
        case UInt8(ascii: "f"): contents.append(0x0C)
        case UInt8(ascii: "n"): contents.append(0x0A)
        case UInt8(ascii: "r"): contents.append(0x0D)
        case UInt8(ascii: "t"): contents.append(0x09)
        case UInt8(ascii: "u"):
            var value = try fourHexDigits()
            if (0xD800...0xDBFF).contains(value) {
                guard offset + 1 < bytes.count, bytes[offset] == UInt8(ascii: "\\"),
                    bytes[offset + 1] == UInt8(ascii: "u")
                else { throw error("half a surrogate pair") }
                offset += 2
                let low = try fourHexDigits()
                guard (0xDC00...0xDFFF).contains(low) else { throw error("half a surrogate pair") }
                value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(value) else { throw error("half a surrogate pair") }
            contents.append(contentsOf: String(scalar).utf8)
        default: throw error("an unknown escape in a string")
        }
    }

    private mutating func fourHexDigits() throws(JSONError) -> UInt32 {
        guard offset + 4 <= bytes.count else { throw error("the text ends within a string") }
        var value: UInt32 = 0
        for byte in bytes[offset..<offset + 4] {
            switch byte {
            case 0x30...0x39: value = value << 4 | UInt32(byte - 0x30)
            case 0x41...0x46: value = value << 4 | UInt32(byte - 0x41 + 10)
            case 0x61...0x66: value = value << 4 | UInt32(byte - 0x61 + 10)
            default: throw error("expected four hexadecimal digits")
            }
        }
        offset += 4
        return value
    }
}

#if _endian(big)
#error("GGUF values are read in place and need a little-endian machine")
#endif

/// Reads a GGUF header from front to back.
///
/// Every read is checked against the end of the bytes first.
/// Field names are autoclosures: they are put together for a message only.
struct GGUFCursor {
    let storage: any WeightStorage
    let bytes: UnsafeRawBufferPointer
    let path: String
    private(set) var offset = 0

    init(_ storage: any WeightStorage, path: String) {
        self.storage = storage
        bytes = storage.bytes
        self.path = path
    }

    private var remaining: Int { bytes.count - offset }

    func error(_ reason: GGUFError.Reason, _ field: String, at offset: Int, _ found: String) -> GGUFError {
        GGUFError(path: path, reason: reason, field: field, offset: offset, found: found)
    }

    private func require(_ count: Int, _ field: () -> String) throws(GGUFError) {
        guard count <= remaining else {
            throw error(
                .truncated, field(), at: offset,
                "needs \(count) bytes, but the file ends after \(remaining) at byte \(bytes.count)")
        }
    }

    /// Reads one number.
    mutating func number<Number: BitwiseCopyable>(
        _ type: Number.Type, _ field: @autoclosure () -> String
    ) throws(GGUFError) -> Number {
        try require(MemoryLayout<Number>.size, field)
        defer { offset += MemoryLayout<Number>.size }
        return bytes.loadUnaligned(fromByteOffset: offset, as: type)
    }

    /// Reads `count` numbers; the count has been checked by `count(_:)`.
    mutating func numbers<Number: BitwiseCopyable>(
        _ type: Number.Type, count: Int, _ field: @autoclosure () -> String
    ) throws(GGUFError) -> [Number] {
        let (byteCount, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Number>.stride)
        try require(overflow ? Int.max : byteCount, field)
        defer { offset += byteCount }
        let source = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + byteCount])
        return [Number](unsafeUninitializedCapacity: count) { buffer, initialized in
            UnsafeMutableRawBufferPointer(buffer).copyMemory(from: source)
            initialized = count
        }
    }

    /// Reads a truth value, which must be 0 or 1.
    mutating func bool(_ field: @autoclosure () -> String) throws(GGUFError) -> Bool {
        let start = offset
        let byte = try number(UInt8.self, field())
        guard byte <= 1 else { throw error(.malformed, field(), at: start, "a bool is 0 or 1, found \(byte)") }
        return byte == 1
    }

    /// Reads a count of things that take at least `minimumBytes` each, and refuses one the rest of the file cannot hold.
    mutating func count(minimumBytes: Int, _ field: @autoclosure () -> String) throws(GGUFError) -> Int {
        let start = offset
        let value = try number(UInt64.self, field())
        guard let count = Int(exactly: value), count <= remaining / minimumBytes else {
            throw error(
                .truncated, field(), at: start,
                "is \(value), but the \(remaining) bytes that follow hold at most \(remaining / minimumBytes)")
        }
        return count
    }

    /// Reads a string: its length, then its bytes, which stay where they are.
    mutating func string(_ field: @autoclosure () -> String) throws(GGUFError) -> Slice<UnsafeRawBufferPointer> {
        let length = try count(minimumBytes: 1, "length of \(field())")
        defer { offset += length }
        return bytes[offset..<offset + length]
    }

    /// Reads a string that is a name: valid UTF-8 of at most 65,535 bytes, the format's limit for keys.
    mutating func name(_ field: @autoclosure () -> String) throws(GGUFError) -> String {
        let start = offset
        let bytes = try string(field())
        guard bytes.count <= 65_535 else {
            throw error(.malformed, field(), at: start, "has \(bytes.count) bytes, more than the 65535 of a name")
        }
        guard let name = String(validating: bytes, as: UTF8.self) else {
            throw error(.malformed, field(), at: start, "is not valid UTF-8")
        }
        return name
    }
}

// MARK: - Values

extension GGUFCursor {
    // Converters write flat arrays. The bound keeps a hostile file from exhausting the stack.
    private static let deepestNesting = 8

    private mutating func valueType(_ field: @autoclosure () -> String) throws(GGUFError) -> GGUFValueType {
        let start = offset
        let id = try number(UInt32.self, field())
        guard let type = GGUFValueType(rawValue: id) else {
            throw error(.malformed, field(), at: start, "\(id) is not a value type, which are 0 to 12")
        }
        return type
    }

    /// Reads a value: its type, then its contents.
    mutating func value(_ field: @autoclosure () -> String) throws(GGUFError) -> GGUFValue {
        switch try valueType("type of \(field())") {
        case .uint8: .uint8(try number(UInt8.self, field()))
        case .int8: .int8(try number(Int8.self, field()))
        case .uint16: .uint16(try number(UInt16.self, field()))
        case .int16: .int16(try number(Int16.self, field()))
        case .uint32: .uint32(try number(UInt32.self, field()))
        case .int32: .int32(try number(Int32.self, field()))
        case .uint64: .uint64(try number(UInt64.self, field()))
        case .int64: .int64(try number(Int64.self, field()))
        case .float32: .float32(try number(Float.self, field()))
        case .float64: .float64(try number(Double.self, field()))
        case .bool: .bool(try bool(field()))
        case .string: .string([UInt8](try string(field())))
        case .array: .array(try array(field(), depth: 1))
        }
    }

    private mutating func array(_ field: @autoclosure () -> String, depth: Int) throws(GGUFError) -> GGUFArray {
        guard depth <= Self.deepestNesting else {
            throw error(.malformed, field(), at: offset, "arrays are nested deeper than \(Self.deepestNesting)")
        }
        let type = try valueType("element type of \(field())")
        let count = try count(minimumBytes: type.minimumBytes, "element count of \(field())")
        switch type {
        case .uint8: return .uint8(try numbers(UInt8.self, count: count, field()))
        case .int8: return .int8(try numbers(Int8.self, count: count, field()))
        case .uint16: return .uint16(try numbers(UInt16.self, count: count, field()))
        case .int16: return .int16(try numbers(Int16.self, count: count, field()))
        case .uint32: return .uint32(try numbers(UInt32.self, count: count, field()))
        case .int32: return .int32(try numbers(Int32.self, count: count, field()))
        case .uint64: return .uint64(try numbers(UInt64.self, count: count, field()))
        case .int64: return .int64(try numbers(Int64.self, count: count, field()))
        case .float32: return .float32(try numbers(Float.self, count: count, field()))
        case .float64: return .float64(try numbers(Double.self, count: count, field()))
        // The collections below grow as elements are found, and so never beyond what the file really holds.
        case .bool:
            var values: [Bool] = []
            for index in 0..<count { values.append(try bool("element \(index) of \(field())")) }
            return .bool(values)
        case .string:
            let start = offset
            for index in 0..<count { _ = try string("element \(index) of \(field())") }
            return .string(GGUFStrings(count: count, storage: storage, start: start))
        case .array:
            var values: [GGUFArray] = []
            for index in 0..<count { values.append(try array("element \(index) of \(field())", depth: depth + 1)) }
            return .array(values)
        }
    }
}

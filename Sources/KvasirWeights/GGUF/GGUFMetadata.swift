/// The key-value pairs of a GGUF file.
///
/// Each typed accessor comes in two forms: `…(forKey:)` throws if the key is missing, `…(ifPresent:)` returns nil. Both
/// throw if the key has a value of another type.
public struct GGUFMetadata: Sendable {
    /// The file, as its path was given.
    public let path: String

    /// All keys in the file's order.
    public private(set) var keys: [String] = []

    private var values: [String: GGUFValue] = [:]

    init(path: String) { self.path = path }

    /// Adds a pair; returns false if the key is there already.
    mutating func insert(_ value: GGUFValue, forKey key: String) -> Bool {
        guard values.updateValue(value, forKey: key) == nil else { return false }
        keys.append(key)
        return true
    }

    /// The value of `key` in the type the file gives it, or nil.
    public subscript(key: String) -> GGUFValue? { values[key] }

    func wrongType(_ key: String, expected: String, found: String) -> GGUFError {
        GGUFError(
            path: path, reason: .wrongType, field: "key \(quoted(key))", offset: nil,
            found: "expected \(expected), found \(found)")
    }

    private func required<Value>(_ key: String, _ value: Value?) throws(GGUFError) -> Value {
        guard let value else {
            throw GGUFError(
                path: path, reason: .missingKey, field: "key \(quoted(key))", offset: nil, found: "is missing")
        }
        return value
    }
}

// MARK: - Single values

extension GGUFMetadata {
    /// The bytes of a string, which need not be valid UTF-8; nil if the key is missing.
    public func bytes(ifPresent key: String) throws(GGUFError) -> [UInt8]? {
        switch values[key] {
        case nil: return nil
        case .string(let bytes): return bytes
        case .some(let other): throw wrongType(key, expected: "string", found: other.typeName)
        }
    }

    /// The bytes of a string, which need not be valid UTF-8.
    public func bytes(forKey key: String) throws(GGUFError) -> [UInt8] { try required(key, bytes(ifPresent: key)) }

    /// A string; nil if the key is missing.
    public func string(ifPresent key: String) throws(GGUFError) -> String? {
        guard let bytes = try bytes(ifPresent: key) else { return nil }
        guard let string = String(validating: bytes, as: UTF8.self) else {
            throw wrongType(key, expected: "string in UTF-8", found: "\(bytes.count) bytes that are not")
        }
        return string
    }

    /// A string.
    public func string(forKey key: String) throws(GGUFError) -> String { try required(key, string(ifPresent: key)) }

    /// An integer stored in any of the integer types; nil if the key is missing.
    public func integer(ifPresent key: String) throws(GGUFError) -> Int? {
        guard let value = values[key] else { return nil }
        guard let integer = value.integer else {
            if case .uint64(let large) = value {
                throw wrongType(key, expected: "integer below 2^63", found: "uint64 \(large)")
            }
            throw wrongType(key, expected: "integer", found: value.typeName)
        }
        return integer
    }

    /// An integer stored in any of the integer types.
    public func integer(forKey key: String) throws(GGUFError) -> Int { try required(key, integer(ifPresent: key)) }

    /// A number stored as float32, or as float64 and rounded; nil if the key is missing.
    public func float(ifPresent key: String) throws(GGUFError) -> Float? {
        switch values[key] {
        case nil: return nil
        case .float32(let value): return value
        case .float64(let value): return Float(value)
        case .some(let other): throw wrongType(key, expected: "float", found: other.typeName)
        }
    }

    /// A number stored as float32, or as float64 and rounded.
    public func float(forKey key: String) throws(GGUFError) -> Float { try required(key, float(ifPresent: key)) }

    /// A truth value; nil if the key is missing.
    public func bool(ifPresent key: String) throws(GGUFError) -> Bool? {
        switch values[key] {
        case nil: return nil
        case .bool(let value): return value
        case .some(let other): throw wrongType(key, expected: "bool", found: other.typeName)
        }
    }

    /// A truth value.
    public func bool(forKey key: String) throws(GGUFError) -> Bool { try required(key, bool(ifPresent: key)) }
}

// MARK: - Arrays

extension GGUFMetadata {
    private func array(_ key: String, of element: String) throws(GGUFError) -> GGUFArray? {
        switch values[key] {
        case nil: return nil
        case .array(let array): return array
        case .some(let other): throw wrongType(key, expected: "array of \(element)", found: other.typeName)
        }
    }

    /// An array of strings as bytes, read where they lie; nil if the key is missing.
    public func stringViews(ifPresent key: String) throws(GGUFError) -> GGUFStrings? {
        switch try array(key, of: "string") {
        case nil: return nil
        case .string(let strings): return strings
        case .some(let other):
            throw wrongType(key, expected: "array of string", found: GGUFValue.array(other).typeName)
        }
    }

    /// An array of strings as bytes, read where they lie.
    public func stringViews(forKey key: String) throws(GGUFError) -> GGUFStrings {
        try required(key, stringViews(ifPresent: key))
    }

    /// An array of strings as bytes, which need not be valid UTF-8; nil if the key is missing.
    public func byteStrings(ifPresent key: String) throws(GGUFError) -> [[UInt8]]? {
        try stringViews(ifPresent: key)?.map { [UInt8]($0) }
    }

    /// An array of strings as bytes, which need not be valid UTF-8.
    public func byteStrings(forKey key: String) throws(GGUFError) -> [[UInt8]] {
        try required(key, byteStrings(ifPresent: key))
    }

    /// An array of strings; nil if the key is missing.
    public func strings(ifPresent key: String) throws(GGUFError) -> [String]? {
        guard let elements = try stringViews(ifPresent: key) else { return nil }
        var strings: [String] = []
        strings.reserveCapacity(elements.count)
        for (index, bytes) in elements.enumerated() {
            guard let string = String(validating: bytes, as: UTF8.self) else {
                throw wrongType(
                    key, expected: "array of string in UTF-8",
                    found: "element \(index) of \(bytes.count) bytes that are not")
            }
            strings.append(string)
        }
        return strings
    }

    /// An array of strings.
    public func strings(forKey key: String) throws(GGUFError) -> [String] {
        try required(key, strings(ifPresent: key))
    }

    /// An array of integers stored in any of the integer types; nil if the key is missing.
    public func integers(ifPresent key: String) throws(GGUFError) -> [Int]? {
        guard let array = try array(key, of: "integer") else { return nil }
        switch array {
        case .uint8(let values): return values.map { Int($0) }
        case .int8(let values): return values.map { Int($0) }
        case .uint16(let values): return values.map { Int($0) }
        case .int16(let values): return values.map { Int($0) }
        case .uint32(let values): return values.map { Int($0) }
        case .int32(let values): return values.map { Int($0) }
        case .int64(let values): return values.map { Int($0) }
        case .uint64(let values):
            if let large = values.first(where: { $0 > UInt64(Int.max) }) {
                throw wrongType(key, expected: "array of integers below 2^63", found: "uint64 \(large)")
            }
            return values.map { Int($0) }
        default: throw wrongType(key, expected: "array of integer", found: GGUFValue.array(array).typeName)
        }
    }

    /// An array of integers stored in any of the integer types.
    public func integers(forKey key: String) throws(GGUFError) -> [Int] { try required(key, integers(ifPresent: key)) }

    /// An array of numbers stored as float32, or as float64 and rounded; nil if the key is missing.
    public func floats(ifPresent key: String) throws(GGUFError) -> [Float]? {
        switch try array(key, of: "float") {
        case nil: return nil
        case .float32(let values): return values
        case .float64(let values): return values.map { Float($0) }
        case .some(let other):
            throw wrongType(key, expected: "array of float", found: GGUFValue.array(other).typeName)
        }
    }

    /// An array of numbers stored as float32, or as float64 and rounded.
    public func floats(forKey key: String) throws(GGUFError) -> [Float] { try required(key, floats(ifPresent: key)) }
}

/// A JSON value in memory; for configurations, not for vocabularies.
public enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    /// A number without fraction or exponent that 64 bits hold.
    case integer(Int)
    /// Any other number.
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    /// Reads a text that is one value.
    ///
    /// - Throws: `JSONError` also where an object names a member twice: which one counts would be anybody's guess.
    public init(parsing bytes: UnsafeRawBufferPointer) throws(JSONError) {
        var reader = JSONReader(bytes)
        self = try reader.value()
        try reader.end()
    }

    /// The member of an object; nil if there is none, if it is null, or if this is no object.
    public subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self, let value = members[key], value != .null else { return nil }
        return value
    }

    /// The string, or nil if this is none.
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    /// The truth value, or nil if this is none.
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The integer, or nil if this is none.
    public var integer: Int? { if case .integer(let value) = self { value } else { nil } }
    /// The elements, or nil if this is no array.
    public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    /// The members, or nil if this is no object.
    public var object: [String: JSONValue]? { if case .object(let value) = self { value } else { nil } }

    /// The type, in words for a message.
    public var typeName: String {
        switch self {
        case .null: "null"
        case .bool: "bool"
        case .integer: "integer"
        case .number: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }
}

extension JSONReader {
    /// Reads a value of any kind into memory.
    public mutating func value() throws(JSONError) -> JSONValue {
        switch try kind() {
        case .object:
            var members: [String: JSONValue] = [:]
            try beginObject()
            while let key = try nextKey() {
                let start = offset
                guard members.updateValue(try value(), forKey: key) == nil else {
                    throw JSONError(offset: start, problem: "the member '\(key.prefix(80))' appears twice")
                }
            }
            return .object(members)
        case .array:
            var elements: [JSONValue] = []
            try beginArray()
            while try nextElement() { elements.append(try value()) }
            return .array(elements)
        case .string: return .string(try string())
        case .number:
            let start = offset
            let (text, isInteger) = try numberText()
            if isInteger, let value = Int(text) { return .integer(value) }
            guard let value = Double(text), value.isFinite else {
                throw JSONError(offset: start, problem: "the number \(text.prefix(40)) is out of range")
            }
            return .number(value)
        case .bool: return .bool(try bool())
        case .null:
            try null()
            return .null
        }
    }
}

#if Server
/// A JSON value whose objects keep the order of their members: what clients send, and what they are answered.
///
/// The order matters in schemas, whose properties are generated in it, and makes answers the same byte for byte.
enum JSONNode: Sendable, Hashable {
    case null
    case bool(Bool)
    /// A number without fraction or exponent that 64 bits hold.
    case integer(Int)
    /// Any other number.
    case number(Double)
    case string(String)
    case array([JSONNode])
    case object([Member])

    /// A name and its value.
    struct Member: Sendable, Hashable {
        let name: String
        let value: JSONNode

        init(_ name: String, _ value: JSONNode) {
            self.name = name
            self.value = value
        }
    }

    /// The member of an object; nil if there is none, if it is null, or if this is no object.
    subscript(name: String) -> JSONNode? {
        guard case .object(let members) = self, let value = members.first(where: { $0.name == name })?.value,
            value != .null
        else { return nil }
        return value
    }

    /// The string, or nil if this is none.
    var string: String? { if case .string(let value) = self { value } else { nil } }

    /// The type as messages call it.
    var typeName: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer: "an integer"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// The string, or null if there is none.
    static func string(orNull text: String?) -> JSONNode { text.map(JSONNode.string) ?? .null }
}

extension JSONNode: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    init(stringLiteral value: String) { self = .string(value) }
    init(integerLiteral value: Int) { self = .integer(value) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(arrayLiteral elements: JSONNode...) { self = .array(elements) }
    init(dictionaryLiteral elements: (String, JSONNode)...) { self = .object(elements.map { Member($0, $1) }) }
}
#endif

#if Server
/// The members of a request's object, taken out one by one with their types checked.
///
/// `null` equals absent. Members nobody asks for are ignored, as clients of other servers expect, but those about the
/// cache: who sets one would believe that it counts.
struct RequestFields {
    private let members: [String: JSONNode]
    /// Where the object lies within the request, for messages: empty, or `messages[0]`.
    private let path: String

    /// Takes an object.
    ///
    /// - Throws: `APIError` if it is none.
    init(_ node: JSONNode, path: String = "") throws(APIError) {
        guard case .object(let members) = node else {
            throw .invalid(
                path.isEmpty ? nil : path,
                "\(path.isEmpty ? "the body" : "'\(path)'") is \(node.typeName), not an object")
        }
        self.members = Dictionary(uniqueKeysWithValues: members.map { ($0.name, $0.value) })
        self.path = path
    }

    /// The name of a member with its path, as errors have it.
    func name(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// The member as it is; nil if absent or null.
    subscript(key: String) -> JSONNode? {
        guard let value = members[key], value != .null else { return nil }
        return value
    }

    /// A member that must be there.
    func required(_ key: String) throws(APIError) -> JSONNode {
        guard let value = self[key] else { throw .invalid(name(key), "'\(name(key))' is missing") }
        return value
    }

    /// A string.
    func string(_ key: String) throws(APIError) -> String? {
        guard let value = self[key] else { return nil }
        guard case .string(let string) = value else { throw wrongType(key, value, "a string") }
        return string
    }

    /// A truth value.
    func bool(_ key: String) throws(APIError) -> Bool? {
        guard let value = self[key] else { return nil }
        guard case .bool(let bool) = value else { throw wrongType(key, value, "a boolean") }
        return bool
    }

    /// A whole number; one written with a fraction of zero counts, as some clients write them all so.
    func integer(_ key: String) throws(APIError) -> Int? {
        guard let value = self[key] else { return nil }
        switch value {
        case .integer(let integer): return integer
        case .number(let number):
            guard let integer = Int(exactly: number) else { throw wrongType(key, value, "an integer") }
            return integer
        default: throw wrongType(key, value, "an integer")
        }
    }

    /// A whole number in a range.
    func integer(_ key: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let value = try integer(key) else { return nil }
        guard range.contains(value) else {
            throw .invalid(
                name(key),
                range.upperBound == .max
                    ? "'\(name(key))' is \(value); give at least \(range.lowerBound)"
                    : "'\(name(key))' is \(value); give \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// A number.
    func number(_ key: String) throws(APIError) -> Float? {
        guard let value = self[key] else { return nil }
        switch value {
        case .integer(let integer): return Float(integer)
        case .number(let number): return Float(number)
        default: throw wrongType(key, value, "a number")
        }
    }

    /// An array.
    func array(_ key: String) throws(APIError) -> [JSONNode]? {
        guard let value = self[key] else { return nil }
        guard case .array(let elements) = value else { throw wrongType(key, value, "an array") }
        return elements
    }

    /// An object within.
    func object(_ key: String) throws(APIError) -> RequestFields? {
        guard let value = self[key] else { return nil }
        guard case .object = value else { throw wrongType(key, value, "an object") }
        return try RequestFields(value, path: name(key))
    }

    /// All members of an object of unknown names.
    var all: [(name: String, value: JSONNode)] { members.map { ($0.key, $0.value) } }

    /// What a value of another type is refused with.
    func wrongType(_ key: String, _ value: JSONNode, _ expected: String) -> APIError {
        .invalid(name(key), "'\(name(key))' is \(value.typeName), not \(expected)", code: "invalid_type")
    }

    /// Refuses members that would set how the cache is stored.
    func refuseCacheSettings() throws(APIError) {
        for key in members.keys.sorted() where Self.isAboutCache(key) {
            // llama.cpp's wish that a prompt be cached is granted to all.
            guard let value = members[key], value != .null, !(key == "cache_prompt" && value == true) else { continue }
            throw .invalid(
                name(key),
                "'\(name(key))' cannot be set by a request: how the cache is stored is fixed when the server starts; "
                    + "GET /props says how", code: "unsupported_parameter")
        }
    }

    private static func isAboutCache(_ key: String) -> Bool {
        let name = key.lowercased().replacing("-", with: "_")
        // Hints of the OpenAI API for where a prompt may be cached; they ask for nothing.
        if ["prompt_cache_key", "prompt_cache_retention"].contains(name) { return false }
        let words = name.split(separator: "_")
        return words.contains("cache") || words.contains("kv") || ["ctk", "ctv"].contains(name)
    }
}
#endif

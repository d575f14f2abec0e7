#if Server
/// A schema that is not understood, and where.
struct SchemaError: Error, Equatable {
    /// Where in the schema: `.properties.age.minimum`.
    let path: String
    /// What is wrong there.
    let problem: String
}

extension JSONGrammar {
    /// The grammar of the values that a JSON schema allows.
    ///
    /// Of JSON Schema are compiled `type` (one or several), `properties`, `required`, `additionalProperties` (a truth value), `enum`, `const`, `items`,
    /// `minItems`, `maxItems`, `minLength`, `maxLength`, `anyOf`, `$ref` to `#/$defs/…` or `#/definitions/…`. What only
    /// describes is ignored. Properties are generated in the order of the schema, and no others than those it names.
    ///
    /// - Throws: `SchemaError` for anything else: what cannot be kept is not promised.
    static func grammar(schema: JSONNode) throws(SchemaError) -> Grammar {
        var compiler = SchemaCompiler(root: schema)
        let start = try compiler.compile(schema, "", then: Grammar.end)
        var grammar = compiler.json.grammar
        grammar.start = start
        return grammar
    }
}

/// Compiles schemas into one grammar.
struct SchemaCompiler {
    var json = JSONGrammar()
    private let root: JSONNode
    private var rules: [String: Int] = [:]

    /// What a grammar may come to; nobody's schema needs more.
    private static let mostNodes = 200_000
    private static let mostRepeats = 4096

    private static let descriptive: Set<String> = [
        "title", "description", "default", "examples", "$schema", "$id", "$comment", "$defs", "definitions",
        "deprecated", "readOnly", "writeOnly", "strict",
    ]

    /// - Parameter root: what references are resolved in.
    init(root: JSONNode) { self.root = root }

    /// The grammar of a schema's values.
    mutating func compile(_ schema: JSONNode, _ path: String, then next: Int) throws(SchemaError) -> Int {
        guard json.grammar.nodes.count < Self.mostNodes else {
            throw SchemaError(path: path, problem: "the schema is too large")
        }
        if schema == true { return json.grammar.call(json.value, then: next) }
        guard case .object(let members) = schema else {
            throw SchemaError(path: path, problem: "a schema is an object, not \(schema.typeName)")
        }
        let keywords = members.filter { !Self.descriptive.contains($0.name) }
        func allow(_ names: Set<String>) throws(SchemaError) {
            if let other = keywords.first(where: { !names.contains($0.name) }) {
                throw SchemaError(path: "\(path).\(other.name)", problem: "this keyword is not supported here")
            }
        }
        if let reference = schema["$ref"] {
            try allow(["$ref"])
            return json.grammar.call(try rule(reference, "\(path).$ref"), then: next)
        }
        if let value = members.first(where: { $0.name == "const" })?.value {
            try allow(["const", "type"])
            return json.grammar.literal(value.text(), then: next)
        }
        if let values = schema["enum"] {
            try allow(["enum", "type"])
            guard case .array(let values) = values, !values.isEmpty else {
                throw SchemaError(path: "\(path).enum", problem: "give an array of at least one value")
            }
            return json.grammar.choice(values.map { json.grammar.literal($0.text(), then: next) })
        }
        if let schemas = schema["anyOf"] {
            try allow(["anyOf"])
            guard case .array(let schemas) = schemas, !schemas.isEmpty else {
                throw SchemaError(path: "\(path).anyOf", problem: "give an array of at least one schema")
            }
            var ways: [Int] = []
            for (index, schema) in schemas.enumerated() {
                ways.append(try compile(schema, "\(path).anyOf[\(index)]", then: next))
            }
            return json.grammar.choice(ways)
        }
        var ways: [Int] = []
        let types = try types(schema, path)
        try allow(types.reduce(into: ["type"]) { $0.formUnion(Self.keywords(of: $1)) })
        for type in types { ways.append(try compile(type, schema, path, then: next)) }
        return json.grammar.choice(ways)
    }

    private static func keywords(of type: String) -> Set<String> {
        switch type {
        case "object": ["properties", "required", "additionalProperties"]
        case "array": ["items", "minItems", "maxItems"]
        case "string": ["minLength", "maxLength"]
        default: []
        }
    }

    private func types(_ schema: JSONNode, _ path: String) throws(SchemaError) -> [String] {
        let known: Set = ["object", "array", "string", "number", "integer", "boolean", "null"]
        var names: [JSONNode]
        switch schema["type"] {
        case .array(let several): names = several
        case .some(let one): names = [one]
        case nil:
            // What a schema without a type is about shows in its keywords.
            if schema["properties"] != nil { return ["object"] }
            if schema["items"] != nil { return ["array"] }
            return ["any"]
        }
        var types: [String] = []
        for name in names {
            guard case .string(let type) = name, known.contains(type) else {
                throw SchemaError(
                    path: "\(path).type", problem: "give one of \(known.sorted().joined(separator: ", "))")
            }
            types.append(type)
        }
        guard !types.isEmpty else { throw SchemaError(path: "\(path).type", problem: "give at least one type") }
        return types
    }

    private mutating func compile(
        _ type: String, _ schema: JSONNode, _ path: String, then next: Int
    ) throws(SchemaError) -> Int {
        switch type {
        case "object": return try object(schema, path, then: next)
        case "array": return try array(schema, path, then: next)
        case "string":
            let (least, most) = try bounds(schema, "minLength", "maxLength", path)
            if least == 0, most == nil { return json.grammar.call(json.string, then: next) }
            return JSONGrammar.string(&json.grammar, json.character, least, most, then: next)
        case "number": return json.grammar.call(json.number, then: next)
        case "integer": return json.grammar.call(json.integer, then: next)
        case "boolean":
            return json.grammar.choice(["true", "false"].map { json.grammar.literal($0, then: next) })
        case "null": return json.grammar.literal("null", then: next)
        default: return json.grammar.call(json.value, then: next)
        }
    }

    // MARK: - Objects

    private mutating func object(_ schema: JSONNode, _ path: String, then next: Int) throws(SchemaError) -> Int {
        switch schema["additionalProperties"] {
        case nil, .bool: break
        case .some: throw SchemaError(path: "\(path).additionalProperties", problem: "give true or false")
        }
        var required: Set<String> = []
        if let names = schema["required"] {
            guard case .array(let names) = names else {
                throw SchemaError(path: "\(path).required", problem: "give an array of names")
            }
            for name in names {
                guard case .string(let name) = name else {
                    throw SchemaError(path: "\(path).required", problem: "give an array of names")
                }
                required.insert(name)
            }
        }
        var properties: [JSONNode.Member] = []
        if let node = schema["properties"] {
            guard case .object(let members) = node else {
                throw SchemaError(path: "\(path).properties", problem: "give an object of schemas")
            }
            properties = members
        }
        if let unknown = required.subtracting(properties.map(\.name)).min() {
            throw SchemaError(path: "\(path).required", problem: "'\(unknown)' is none of the properties")
        }
        let close = json.grammar.literal("}", then: next)
        if properties.isEmpty {
            if schema["additionalProperties"] != false { return json.grammar.call(json.object, then: next) }
            return json.grammar.literal("{", then: json.grammar.call(json.space, then: close))
        }
        // From the last property to the first: what may come from here on, after another property or as the first one.
        var afterOther = json.grammar.call(json.space, then: close)
        var asFirst = close
        for property in properties.reversed() {
            let value = try compile(property.value, "\(path).properties.\(property.name)", then: afterOther)
            let name = JSONNode.string(property.name).text() + ":"
            let member = json.grammar.literal(name, then: json.grammar.call(json.space, then: value))
            let further = json.grammar.literal(",", then: json.grammar.call(json.space, then: member))
            let isRequired = required.contains(property.name)
            afterOther = isRequired ? further : json.grammar.choice([further, afterOther])
            asFirst = isRequired ? member : json.grammar.choice([member, asFirst])
        }
        return json.grammar.literal("{", then: json.grammar.call(json.space, then: asFirst))
    }

    // MARK: - Arrays

    private mutating func array(_ schema: JSONNode, _ path: String, then next: Int) throws(SchemaError) -> Int {
        let (least, most) = try bounds(schema, "minItems", "maxItems", path)
        var item = json.value
        if let items = schema["items"] {
            // A rule of its own: it is written once however often it is called.
            item = json.grammar.reserve()
            let start = try compile(items, "\(path).items", then: Grammar.end)
            json.grammar.define(item, start)
        }
        return JSONGrammar.list(&json.grammar, "[", "]", json.space, least, most, then: next) { grammar, next in
            grammar.call(item, then: next)
        }
    }

    private func bounds(
        _ schema: JSONNode, _ least: String, _ most: String, _ path: String
    ) throws(SchemaError) -> (Int, Int?) {
        func bound(_ name: String) throws(SchemaError) -> Int? {
            guard let node = schema[name] else { return nil }
            guard case .integer(let value) = node, (0...Self.mostRepeats).contains(value) else {
                throw SchemaError(path: "\(path).\(name)", problem: "give a whole number up to \(Self.mostRepeats)")
            }
            return value
        }
        let (low, high) = (try bound(least) ?? 0, try bound(most))
        if let high, high < low {
            throw SchemaError(path: "\(path).\(most)", problem: "is less than '\(least)'")
        }
        return (low, high)
    }

    // MARK: - References

    private mutating func rule(_ reference: JSONNode, _ path: String) throws(SchemaError) -> Int {
        guard case .string(let text) = reference else {
            throw SchemaError(path: path, problem: "give text such as #/$defs/NAME")
        }
        if let known = rules[text] { return known }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        var target: JSONNode? = root
        if text != "#" {
            guard parts.first == "#" else {
                throw SchemaError(
                    path: path, problem: "'\(text.prefix(80))' is not within the schema; give #/$defs/NAME")
            }
            for part in parts.dropFirst() {
                target = target?[String(part).replacing("~1", with: "/").replacing("~0", with: "~")]
            }
        }
        guard let target else {
            throw SchemaError(path: path, problem: "'\(text.prefix(80))' is not in the schema")
        }
        let place = json.grammar.reserve()
        rules[text] = place
        let start = try compile(target, "(\(text))", then: Grammar.end)
        json.grammar.define(place, start)
        return place
    }
}
#endif

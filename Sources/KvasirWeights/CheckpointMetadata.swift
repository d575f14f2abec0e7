/// What a checkpoint says of its model beside the tensors: the key-value pairs of a GGUF file, or a config.json.
///
/// Keys are in the file's own spelling. In a config.json a dot leads into an object (`rope_scaling.factor`), and a key
/// whose value is null is missing. Every accessor returns nil for a missing key, and throws an error that names the file,
/// the key and what was found if the value has another type.
public protocol CheckpointMetadata: Sendable {
    /// Whether the key is there, with a value of any type.
    func contains(_ key: String) -> Bool
    /// A string.
    func string(ifPresent key: String) throws -> String?
    /// An integer.
    func integer(ifPresent key: String) throws -> Int?
    /// A number; GGUF has it as a float, a config.json with or without a fraction.
    func number(ifPresent key: String) throws -> Double?
    /// A truth value.
    func bool(ifPresent key: String) throws -> Bool?
    /// An array of strings.
    func strings(ifPresent key: String) throws -> [String]?
    /// An array of truth values.
    func bools(ifPresent key: String) throws -> [Bool]?
}

extension GGUFMetadata: CheckpointMetadata {
    /// Whether the key is there, with a value of any type.
    public func contains(_ key: String) -> Bool { self[key] != nil }

    /// A number stored as float32 or float64.
    public func number(ifPresent key: String) throws(GGUFError) -> Double? {
        if case .float64(let value)? = self[key] { return value }
        return try float(ifPresent: key).map(Double.init)
    }

    /// An array of truth values; nil if the key is missing.
    public func bools(ifPresent key: String) throws(GGUFError) -> [Bool]? {
        switch self[key] {
        case nil: return nil
        case .array(.bool(let values)): return values
        case .some(let other): throw wrongType(key, expected: "array of bool", found: other.typeName)
        }
    }
}

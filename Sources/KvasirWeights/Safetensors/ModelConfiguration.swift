internal import KvasirJSON

/// A config.json, or another JSON object of a Hugging Face model folder.
public struct ModelConfiguration: CheckpointMetadata {
    /// The file's path as given.
    public let path: String

    private let root: JSONValue

    /// Reads the file at `path`.
    ///
    /// - Throws: `MappedFileError` if it cannot be read, `ModelConfigurationError` if it is no JSON object.
    public init(path: String) throws {
        let file = try MappedFile(path: path)
        defer { withExtendedLifetime(file) {} }
        try self.init(file.bytes, path: path)
    }

    /// Reads a text that is in memory; `path` is what to call it in messages.
    ///
    /// - Throws: `ModelConfigurationError` if it is no JSON object.
    public init(_ bytes: UnsafeRawBufferPointer, path: String) throws(ModelConfigurationError) {
        self.path = path
        do {
            root = try JSONValue(parsing: bytes)
        } catch {
            throw ModelConfigurationError(path: path, key: nil, found: "is no JSON: \(error)")
        }
        guard root.object != nil else {
            throw ModelConfigurationError(path: path, key: nil, found: "expected an object, found \(root.typeName)")
        }
    }

    /// Whether the key is there, with a value of any type but null.
    public func contains(_ key: String) -> Bool { value(key) != nil }

    /// A string.
    public func string(ifPresent key: String) throws(ModelConfigurationError) -> String? {
        try read(key, "a string") { $0.string }
    }

    /// An integer; one that is written with a fraction of zero counts.
    public func integer(ifPresent key: String) throws(ModelConfigurationError) -> Int? {
        try read(key, "an integer") { value in
            if case .number(let number) = value { Int(exactly: number) } else { value.integer }
        }
    }

    /// A number with or without a fraction.
    public func number(ifPresent key: String) throws(ModelConfigurationError) -> Double? {
        try read(key, "a number") { value in
            switch value {
            case .number(let number): number
            case .integer(let integer): Double(integer)
            default: nil
            }
        }
    }

    /// A truth value.
    public func bool(ifPresent key: String) throws(ModelConfigurationError) -> Bool? {
        try read(key, "true or false") { $0.bool }
    }

    /// An array of strings.
    public func strings(ifPresent key: String) throws(ModelConfigurationError) -> [String]? {
        try read(key, "an array of strings") { $0.array.flatMap { all($0) { $0.string } } }
    }

    /// An array of truth values.
    public func bools(ifPresent key: String) throws(ModelConfigurationError) -> [Bool]? {
        try read(key, "an array of truth values") { $0.array.flatMap { all($0) { $0.bool } } }
    }

    /// An array of integers; a single one counts as an array of it.
    public func integers(ifPresent key: String) throws(ModelConfigurationError) -> [Int]? {
        try read(key, "an integer, or an array of them") { value in
            value.integer.map { [$0] } ?? value.array.flatMap { all($0) { $0.integer } }
        }
    }

    /// The value of a key as it is, then of what a dot leads into.
    private func value(_ key: String) -> JSONValue? {
        if let value = root[key] { return value }
        var value = root
        for part in key.split(separator: ".", omittingEmptySubsequences: false) {
            guard let member = value[String(part)] else { return nil }
            value = member
        }
        return value
    }

    private func read<Value>(
        _ key: String, _ expected: String, _ convert: (JSONValue) -> Value?
    ) throws(ModelConfigurationError) -> Value? {
        guard let value = value(key) else { return nil }
        guard let converted = convert(value) else {
            throw ModelConfigurationError(path: path, key: key, found: "expected \(expected), found \(value.typeName)")
        }
        return converted
    }

    private func all<Value>(_ values: [JSONValue], _ convert: (JSONValue) -> Value?) -> [Value]? {
        let converted = values.compactMap(convert)
        return converted.count == values.count ? converted : nil
    }
}

/// A JSON file of a model folder that is not as it should be.
public struct ModelConfigurationError: Error, Hashable, CustomStringConvertible {
    /// The file, as its path was given.
    public let path: String
    /// The key at fault, or nil if the file as a whole is.
    public let key: String?
    /// What was found.
    public let found: String

    /// One line: what was received, and what to do.
    public var description: String {
        onOneLine("\(path): \(key.map { "\(quoted($0)): " } ?? "")\(found); fetch the file again, or correct it")
    }
}

/// The key-value pairs of a GGUF file, in the file's order.
struct GGUFMetadata: Sendable {
    private(set) var keys: [String] = []
    private(set) var values: [String: GGUFValue] = [:]

    /// Adds a pair; returns false if the key is there already.
    mutating func insert(_ value: GGUFValue, forKey key: String) -> Bool {
        guard values.updateValue(value, forKey: key) == nil else { return false }
        keys.append(key)
        return true
    }
}

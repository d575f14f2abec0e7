public import KvasirCodecs

/// What a user asks of the cache: a codec for keys and one for values.
///
/// One value with one spelling everywhere: `nf4` for both, `K=nf4/b64,V=f16` to set them apart. It prints itself
/// canonically and parses what it prints.
public struct CacheConfiguration: Sendable, Hashable, CustomStringConvertible {
    /// Canonical name of the codec for keys.
    public let keys: String
    /// Canonical name of the codec for values.
    public let values: String

    /// NQKV as published for keys and values.
    public static let `default` = CacheConfiguration(canonicalKeys: "nf4/b256", canonicalValues: "nf4/b256")

    private init(canonicalKeys: String, canonicalValues: String) {
        keys = canonicalKeys
        values = canonicalValues
    }

    /// Creates a configuration from the names of two codecs.
    ///
    /// - Throws: `CodecError` if there is no such codec, or not with these parameters.
    public init(keys: String, values: String) throws(CodecError) {
        self.keys = try CodecRegistry.codec(named: keys).name
        self.values = try CodecRegistry.codec(named: values).name
    }

    /// Parses `CODEC` or `K=CODEC,V=CODEC`.
    ///
    /// - Throws: `CacheError` if the text is not of that form, or names a codec that does not exist.
    public init(parsing text: String) throws(CacheError) {
        let trimmed = text.filter { $0 != " " }
        do throws(CodecError) {
            guard trimmed.contains("=") else {
                try self.init(keys: trimmed, values: trimmed)
                return
            }
        } catch {
            throw CacheError(.malformedConfiguration, received: text, detail: error.description)
        }
        var parts: [String: String] = [:]
        for part in trimmed.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let name = sides[0].uppercased()
            guard sides.count == 2, name == "K" || name == "V" else {
                throw CacheError(
                    .malformedConfiguration, received: text,
                    detail: "'\(part)' is neither K=CODEC nor V=CODEC; write for example K=f16,V=nf4")
            }
            guard parts.updateValue(sides[1], forKey: name) == nil else {
                throw CacheError(
                    .malformedConfiguration, received: text, detail: "\(name) is given twice; give each of K and V once"
                )
            }
        }
        guard let keys = parts["K"], let values = parts["V"] else {
            let missing = parts["K"] == nil ? "K" : "V"
            throw CacheError(
                .malformedConfiguration, received: text,
                detail: "\(missing) is missing; write for example K=f16,V=nf4, or one codec for both")
        }
        do throws(CodecError) {
            try self.init(keys: keys, values: values)
        } catch {
            throw CacheError(.malformedConfiguration, received: text, detail: error.description)
        }
    }

    /// The canonical spelling.
    public var description: String { keys == values ? keys : "K=\(keys),V=\(values)" }
}

public import KvasirCodecs

/// What a user asks of the cache: codecs, tokens that are kept in f16, and layers that differ.
///
/// One value with one spelling everywhere, of clauses separated by semicolons:
///
///     nf4/b64
///     K=nf4/b64,V=nf4/b256; layers 0-1,-1=q8_0; recent=64; sinks=4
///     balanced; recent=K:128,V:64
///
/// The first clause is a codec for keys and values, one for each, or the name of a preset. It prints itself canonically,
/// presets written out, and parses what it prints.
public struct CacheConfiguration: Sendable, Hashable, CustomStringConvertible {
    /// What `kvasir calibrate` must have measured for the codecs of some layer.
    public var calibrations: Set<CalibrationKind> {
        overrides.reduce(codecs.calibrations) { $0.union($1.codecs.calibrations) }
    }

    /// The codecs of all layers that no override names.
    public let codecs: CodecPair
    /// The layers that differ, in the order in which they were given; a model's layer may be in one of them at most.
    public let overrides: [LayerOverride]
    /// How many of the last tokens a query reads in f16, itself included.
    public let recent: WindowLength
    /// How many of the first tokens every query reads in f16.
    public let sinks: WindowLength

    /// Canonical name of the codec for keys, where no override says otherwise.
    public var keys: String { codecs.keys }
    /// Canonical name of the codec for values, where no override says otherwise.
    public var values: String { codecs.values }

    /// The longest window that can be asked for: beyond it f16 for everything is the better choice.
    public static let longestWindow = 32768

    /// NQKV's codec on rotated heads, which is the preset `balanced`: as small as NQKV as published, and a third of its loss.
    public static let `default` = CacheConfiguration(
        codecs: CodecPair(canonicalKeys: "nf4/b256/rot", canonicalValues: "nf4/b256/rot"))

    /// Creates a configuration.
    ///
    /// - Precondition: no window is longer than `longestWindow`.
    public init(
        codecs: CodecPair, overrides: [LayerOverride] = [], recent: WindowLength = .none, sinks: WindowLength = .none
    ) {
        for length in [recent.keys, recent.values, sinks.keys, sinks.values] {
            precondition(length >= 0 && length <= Self.longestWindow, "a window of \(length) tokens")
        }
        self.codecs = codecs
        self.overrides = overrides
        self.recent = recent
        self.sinks = sinks
    }

    /// Creates a configuration from the names of two codecs.
    ///
    /// - Throws: `CodecError` if there is no such codec, or not with these parameters.
    public init(keys: String, values: String) throws(CodecError) {
        self.init(codecs: try CodecPair(keys: keys, values: values))
    }

    /// The same configuration with another codec for keys, for values, or for both.
    ///
    /// - Throws: `CodecError` if there is no such codec, or not with these parameters.
    public func replacing(keys: String? = nil, values: String? = nil) throws(CodecError) -> CacheConfiguration {
        CacheConfiguration(
            codecs: try CodecPair(keys: keys ?? self.keys, values: values ?? self.values), overrides: overrides,
            recent: recent, sinks: sinks)
    }

    /// The canonical spelling.
    public var description: String {
        var clauses = [codecs.description]
        clauses += overrides.map(\.description)
        if recent != .none { clauses.append("recent=\(recent)") }
        if sinks != .none { clauses.append("sinks=\(sinks)") }
        return clauses.joined(separator: "; ")
    }
}

/// A codec for keys and one for values.
public struct CodecPair: Sendable, Hashable, CustomStringConvertible {
    /// Canonical name of the codec for keys.
    public let keys: String
    /// Canonical name of the codec for values.
    public let values: String

    init(canonicalKeys: String, canonicalValues: String) {
        keys = canonicalKeys
        values = canonicalValues
    }

    /// What `kvasir calibrate` must have measured for one of the codecs.
    var calibrations: Set<CalibrationKind> {
        [keys, values].reduce(into: []) { $0.formUnion((try? CodecRegistry.codec(named: $1))?.calibrations ?? []) }
    }

    /// Creates a pair from the names of two codecs.
    ///
    /// - Throws: `CodecError` if there is no such codec, or not with these parameters.
    public init(keys: String, values: String) throws(CodecError) {
        self.keys = try CodecRegistry.codec(named: keys).name
        self.values = try CodecRegistry.codec(named: values).name
    }

    /// `f16` where both are the same, or `K=f16,V=nf4/b64`.
    public var description: String { keys == values ? keys : "K=\(keys),V=\(values)" }
}

/// A number of tokens for keys and one for values.
public struct WindowLength: Sendable, Hashable, CustomStringConvertible {
    /// Tokens whose keys are kept.
    public let keys: Int
    /// Tokens whose values are kept.
    public let values: Int

    /// No tokens.
    public static let none = WindowLength(keys: 0, values: 0)

    /// Creates the lengths.
    public init(keys: Int, values: Int) {
        self.keys = keys
        self.values = values
    }

    /// `64` where both are the same, or `K:64,V:128`; a part without tokens is left out.
    public var description: String {
        if keys == values { return "\(keys)" }
        if keys == 0 { return "V:\(values)" }
        return values == 0 ? "K:\(keys)" : "K:\(keys),V:\(values)"
    }
}

/// Layers that are stored in another way than the rest.
public struct LayerOverride: Sendable, Hashable, CustomStringConvertible {
    /// Which layers.
    public let layers: LayerList
    /// What they are stored as.
    public let codecs: CodecPair

    /// Creates an override.
    public init(layers: LayerList, codecs: CodecPair) {
        self.layers = layers
        self.codecs = codecs
    }

    /// The clause: `layers 0-1,-1=q8_0`.
    public var description: String { "layers \(layers)=\(codecs)" }
}

extension CacheConfiguration: Codable {
    /// Decodes the text of a configuration.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do throws(CacheError) {
            try self.init(parsing: text)
        } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }

    /// Encodes the canonical spelling.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

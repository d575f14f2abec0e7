public import KvasirCodecs
public import KvasirNumerics

/// What of a model decides the shape of its cache.
public struct CacheShape: Sendable, Hashable {
    /// Layers with attention.
    public let layers: Int
    /// The KV heads of every layer.
    public let heads: HeadShape
    /// Query heads of every layer, a multiple of the KV heads.
    public let queryHeads: Int

    /// Creates a shape.
    ///
    /// - Precondition: the query heads are a positive multiple of the KV heads.
    public init(layers: Int, heads: HeadShape, queryHeads: Int) {
        precondition(queryHeads > 0 && queryHeads % heads.kvHeads == 0, "query heads share KV heads evenly")
        self.layers = layers
        self.heads = heads
        self.queryHeads = queryHeads
    }

    /// Query heads that share one KV head.
    public var groupSize: Int { queryHeads / heads.kvHeads }
}

/// A configuration resolved for one model: the bound codec of every layer, and where its part of a page lies.
///
/// Made once, before any memory is taken. What cannot be honoured is refused here; nothing falls back later.
public struct CachePlan: Sendable {
    /// The codecs of one layer.
    public struct Layer: Sendable {
        /// Index of the layer.
        public let index: Int
        /// Canonical name of the codec for keys.
        public let keyName: String
        /// Canonical name of the codec for values.
        public let valueName: String
        /// The codec for keys.
        public let keys: any KeyCodec
        /// The codec for values.
        public let values: any ValueCodec
        /// Where the keys start in a page, in bytes.
        public let keyOffset: Int
        /// Where the values start in a page, in bytes.
        public let valueOffset: Int
    }

    /// What was asked for.
    public let configuration: CacheConfiguration
    /// The model's shape.
    public let shape: CacheShape
    /// Every layer, in order.
    public let layers: [Layer]
    /// Size of a page: `PageGeometry.tokens` tokens, all layers, keys and values.
    public let pageBytes: Int

    /// Resolves a configuration for a model.
    ///
    /// - Throws: `CacheError` naming the layer, the codec, the reason and the nearest possible value.
    public init(
        _ configuration: CacheConfiguration, shape: CacheShape, instructionSet: InstructionSet
    ) throws(CacheError) {
        let keys: any CacheCodec
        let values: any CacheCodec
        do throws(CodecError) {
            keys = try CodecRegistry.codec(named: configuration.keys)
            values = try CodecRegistry.codec(named: configuration.values)
        } catch {
            throw CacheError(
                .malformedConfiguration, received: configuration.description, detail: error.description)
        }
        try self.init(configuration, keys: keys, values: values, shape: shape, instructionSet: instructionSet)
    }

    /// Resolves a configuration with codecs that need not be in the registry.
    init(
        _ configuration: CacheConfiguration, keys: any CacheCodec, values: any CacheCodec, shape: CacheShape,
        instructionSet: InstructionSet
    ) throws(CacheError) {
        var layers: [Layer] = []
        var offset = 0
        func place(_ bytes: Int) -> Int {
            defer { offset += (bytes + PageGeometry.alignment - 1) / PageGeometry.alignment * PageGeometry.alignment }
            return offset
        }
        for index in 0..<shape.layers {
            let boundKeys: any KeyCodec
            let boundValues: any ValueCodec
            do throws(CodecError) {
                boundKeys = try keys.keys(shape: shape.heads, instructionSet: instructionSet)
            } catch {
                throw Self.impossible(layer: index, part: "K", codec: keys.name, error)
            }
            do throws(CodecError) {
                boundValues = try values.values(shape: shape.heads, instructionSet: instructionSet)
            } catch {
                throw Self.impossible(layer: index, part: "V", codec: values.name, error)
            }
            layers.append(
                Layer(
                    index: index, keyName: keys.name, valueName: values.name, keys: boundKeys, values: boundValues,
                    keyOffset: place(boundKeys.storage.bytes), valueOffset: place(boundValues.storage.bytes)))
        }
        self.configuration = configuration
        self.shape = shape
        self.layers = layers
        pageBytes = offset
    }

    private static func impossible(layer: Int, part: String, codec: String, _ error: CodecError) -> CacheError {
        CacheError(.impossibleLayer, received: "layer \(layer), \(part)=\(codec)", detail: error.description)
    }

    /// Bits for each cached key value, averaged over the layers, every overhead counted.
    public var bitsPerValueK: Double { bits(\.keys.storage) }

    /// Bits for each cached value, averaged over the layers, every overhead counted.
    public var bitsPerValueV: Double { bits(\.values.storage) }

    private func bits(_ storage: (Layer) -> PartStorage) -> Double {
        layers.reduce(0) { $0 + storage($1).bitsPerValue(width: shape.heads.width) } / Double(max(layers.count, 1))
    }

    /// Bytes of a token, all layers, once its page is full.
    public var bytesPerToken: Double { Double(pageBytes) / Double(PageGeometry.tokens) }

    /// Bytes of a token if keys and values were f16.
    public var f16BytesPerToken: Int { shape.layers * shape.heads.width * 2 * MemoryLayout<UInt16>.stride }

    /// Bytes of the pages that hold one sequence of `tokens` tokens.
    public func bytes(forTokens tokens: Int) -> Int { PageGeometry.pages(forTokens: tokens) * pageBytes }

    /// The longest sequence whose pages fit `bytes`.
    public func tokens(inBytes bytes: Int) -> Int { bytes / pageBytes * PageGeometry.tokens }

    /// What the pages of one sequence of `tokens` tokens are made of.
    public func footprint(forTokens tokens: Int) -> CacheFootprint {
        let full = layers.reduce(into: CacheFootprint()) { sum, layer in
            sum.keyCodes += layer.keys.storage.codes
            sum.keyScales += layer.keys.storage.scales
            sum.valueCodes += layer.values.storage.codes
            sum.valueScales += layer.values.storage.scales
        }
        func share(_ bytes: Int) -> Int { bytes / PageGeometry.tokens * tokens }
        var result = CacheFootprint(
            keyCodes: share(full.keyCodes), keyScales: share(full.keyScales), valueCodes: share(full.valueCodes),
            valueScales: share(full.valueScales))
        result.slack = bytes(forTokens: tokens) - result.total
        return result
    }
}

/// Bytes of cached tokens by purpose.
public struct CacheFootprint: Sendable, Hashable {
    /// Indices or values of the keys.
    public var keyCodes = 0
    /// Scales of the keys.
    public var keyScales = 0
    /// Indices or values of the values.
    public var valueCodes = 0
    /// Scales of the values.
    public var valueScales = 0
    /// Slots of the last page that hold no token yet, and padding between parts.
    public var slack = 0

    /// All of it: what the pool holds for the sequence.
    public var total: Int { keyCodes + keyScales + valueCodes + valueScales + slack }
}

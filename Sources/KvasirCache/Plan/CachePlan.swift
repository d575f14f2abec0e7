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
    /// The sliding window of every layer, nil for layers that attend to everything; empty if no layer has one.
    public let windows: [Int?]
    /// How large the largest bias of a key channel is beside typical keys, for every layer; empty if keys have no biases.
    public let keyBiases: [Double]

    /// Creates a shape.
    ///
    /// - Precondition: the query heads are a positive multiple of the KV heads; there are windows for all layers or none.
    public init(
        layers: Int, heads: HeadShape, queryHeads: Int, windows: [Int?] = [], keyBiases: [Double] = []
    ) {
        precondition(queryHeads > 0 && queryHeads % heads.kvHeads == 0, "query heads share KV heads evenly")
        precondition(windows.isEmpty || windows.count == layers, "a window for every layer")
        self.windows = windows
        precondition(keyBiases.isEmpty || keyBiases.count == layers, "a bias for every layer")
        self.keyBiases = keyBiases
        self.layers = layers
        self.heads = heads
        self.queryHeads = queryHeads
    }

    /// Query heads that share one KV head.
    public var groupSize: Int { queryHeads / heads.kvHeads }

    /// Tokens that a query of a layer attends to, itself included; nil for all.
    public func window(layer: Int) -> Int? { windows.isEmpty ? nil : windows[layer] }
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
        /// The clause that makes the layer differ from the others; nil if none does.
        public let deviation: String?
        /// Tokens that a query attends to, itself included; nil for all.
        public let slidingWindow: Int?
        /// Whether bits of its keys or values follow attention.
        let isAdaptive: Bool
        /// The codec for keys.
        public let keys: any KeyCodec
        /// The codec for values.
        public let values: any ValueCodec
        /// Where the keys start in a page, in bytes; a local page if the layer has a sliding window.
        public let keyOffset: Int
        /// Where the values start in a page, in bytes.
        public let valueOffset: Int
        /// The keys that queries read in f16; nil if there are none.
        public let exactKeys: ExactPart<any KeyCodec>?
        /// The values that queries read in f16; nil if there are none.
        public let exactValues: ExactPart<any ValueCodec>?
        /// The codec for keys if it reads more or fewer bits by the query.
        let selectiveKeys: (any SelectiveKeyCodec)?
        /// The codec for values if it reads more or fewer bits by the weights.
        let selectiveValues: (any SelectiveValueCodec)?
    }

    /// A part of a layer that is kept in f16 besides: for which tokens, how, and where in a window page.
    public struct ExactPart<Codec: Sendable>: Sendable {
        /// The tokens that queries read so.
        public let tokens: ExactTokens
        /// The codec of the copies.
        public let codec: Codec
        /// Where the part starts in a window page, in bytes.
        public let offset: Int
    }

    /// What was asked for.
    public let configuration: CacheConfiguration
    /// The model's shape.
    public let shape: CacheShape
    /// Every layer, in order.
    public let layers: [Layer]
    /// What the user should know of the configuration with this model, a line each; the command line prints them.
    public let warnings: [String]
    /// Size of a page: `PageGeometry.tokens` tokens, all layers without a sliding window, keys and values.
    ///
    /// Where bits follow attention it is the most a page takes: every token with all bits, as when it is stored. What is
    /// planned and promised is reckoned with it; what a page takes in fact falls as bits do.
    public var pageBytes: Int { fixedPageBytes + extentBytes }
    /// The bytes of a page that do not depend on its tokens.
    let fixedPageBytes: Int
    /// The parts whose bits follow attention, by layer, keys before values.
    let adaptivePlaces: [AdaptivePlace]
    /// Size of a local page: the same tokens, the layers with a sliding window; 0 if no layer has one.
    ///
    /// A sequence holds those of its end only.
    public var localPageBytes: Int { local.pageBytes }
    /// What the codecs read beside the pages, each table once: all layers that share it, and all sequences, read the same.
    public let sharedTables: [CodecTable]
    /// Size of a window page: the f16 copies of the same tokens; 0 if no layer has a window.
    public var windowPageBytes: Int { window.pageBytes }

    /// Which window pages a sequence holds.
    let window: WindowGeometry
    /// Which local pages a sequence holds.
    let local: WindowGeometry

    /// Resolves a configuration for a model.
    ///
    /// - Parameters:
    ///   - configuration: what was asked for.
    ///   - shape: the model's shape.
    ///   - statistics: what is known of the model's keys and values; codecs that need it refuse to do without.
    ///   - instructionSet: which kernels.
    ///   - warnings: what the model's family has to say of the configuration, a line each.
    /// - Throws: `CacheError` naming the layer, the codec, the reason and the nearest possible value.
    public init(
        _ configuration: CacheConfiguration, shape: CacheShape, statistics: ModelStatistics = ModelStatistics(),
        instructionSet: InstructionSet, warnings: [String] = []
    ) throws(CacheError) {
        let codecs = try LayerCodecs(configuration.codecs, of: configuration)
        try self.init(
            configuration, keys: codecs.keys, values: codecs.values, shape: shape, statistics: statistics,
            instructionSet: instructionSet, warnings: warnings)
    }

    /// Resolves a configuration with codecs that need not be in the registry.
    init(
        _ configuration: CacheConfiguration, keys: any CacheCodec, values: any CacheCodec, shape: CacheShape,
        statistics: ModelStatistics = ModelStatistics(), instructionSet: InstructionSet, warnings: [String] = []
    ) throws(CacheError) {
        let base = LayerCodecs(keys: keys, values: values)
        let codecs = try Self.codecs(of: configuration, base: base, layers: shape.layers)
        let contexts = try LayerContexts(statistics, shape: shape, instructionSet: instructionSet)
        var layout = Layout(configuration, contexts: contexts, shape: shape)
        var layers: [Layer] = []
        for (index, codecs) in codecs.enumerated() { layers.append(try layout.layer(index, codecs)) }
        self.configuration = configuration
        self.shape = shape
        self.layers = layers
        self.warnings =
            warnings + Self.warnings(of: configuration, layers: layers) + Self.hazards(of: shape, layers: layers)
        var seen: Set<ObjectIdentifier> = []
        sharedTables = layers.flatMap { $0.keys.sharedTables + $0.values.sharedTables }
            .filter { seen.insert($0.identity).inserted }
        fixedPageBytes = layout.pageBytes
        adaptivePlaces = layout.adaptivePlaces
        window = layout.window
        local = layout.local
    }

    /// The first token besides the sinks that a query at `position` reads in f16, of all layers and parts.
    func windowStart(at position: Int) -> Int {
        var start = position + 1
        for layer in layers {
            for tokens in [layer.exactKeys?.tokens, layer.exactValues?.tokens] {
                if let tokens, tokens.longest > 0 { start = min(start, tokens.start(at: position)) }
            }
        }
        return start
    }

    /// The first token that a query at `position` reads in layers with a sliding window.
    func localStart(at position: Int) -> Int { max(position + 1 - (shape.windows.compactMap { $0 }.max() ?? 0), 0) }

    /// Bits for each cached key value, averaged over the layers, every overhead counted; where bits follow attention, the most.
    public var bitsPerValueK: Double { bits(\.keys) }

    /// Bits for each cached value, averaged over the layers, every overhead counted; where bits follow attention, the most.
    public var bitsPerValueV: Double { bits(\.values) }

    /// Bytes of tables beside the pages where the longest sequence has `tokens` tokens.
    public func tableBytes(_ purpose: CodecTable.Purpose, forTokens tokens: Int) -> Int {
        sharedTables.reduce(0) { $0 + ($1.purpose == purpose ? $1.bytes(forTokens: tokens) : 0) }
    }

    /// What codebooks add to the bits of a value, keys and values averaged, where `tokens` tokens are cached in all.
    public func codebookBitsPerValue(forTokens tokens: Int) -> Double {
        let values = 2 * tokens * shape.heads.width * max(layers.count, 1)
        return Double(tableBytes(.codebooks, forTokens: tokens) * 8) / Double(max(values, 1))
    }

    private func bits(_ codec: (Layer) -> any PageCodec) -> Double {
        // One division, so that equal layers give exactly what one of them does.
        let bytes = layers.reduce(0) { $0 + codec($1).storage.bytes + (codec($1).adaptive?.copyBytes ?? 0) }
        return Double(bytes * 8) / Double(PageGeometry.tokens * shape.heads.width * max(layers.count, 1))
    }

    /// Bytes of a token, all layers, once its page is full; those with a sliding window give their part back later.
    public var bytesPerToken: Double { Double(pageBytes + localPageBytes) / Double(PageGeometry.tokens) }

    /// Bytes of a token if keys and values were f16.
    public var f16BytesPerToken: Int { shape.layers * shape.heads.width * 2 * MemoryLayout<UInt16>.stride }

    /// Bytes of the pages that hold one sequence of `tokens` tokens, window and local pages included.
    public func bytes(forTokens tokens: Int) -> Int {
        let pages = PageGeometry.pages(forTokens: tokens)
        return pages * pageBytes + window.bytes(ofPages: pages) + local.bytes(ofPages: pages)
    }

    /// The most bytes that a sequence of `tokens` tokens holds on the way there.
    ///
    /// - Parameter step: the most tokens of one step: queries of a step share the window pages of all of them.
    public func peakBytes(forTokens tokens: Int, inStepsOf step: Int) -> Int {
        let pages = PageGeometry.pages(forTokens: tokens)
        let stepPages = PageGeometry.pages(forTokens: min(step, tokens))
        return pages * pageBytes + window.bytes(ofPages: pages, stepPages: stepPages)
            + local.bytes(ofPages: pages, stepPages: stepPages)
    }

    /// Bytes of the pages of one sequence of `tokens` tokens if keys and values were f16; sliding windows held as here.
    public func f16Bytes(forTokens tokens: Int) -> Int {
        let layerBytes = PageGeometry.tokens * shape.heads.width * 2 * MemoryLayout<UInt16>.stride
        let pages = PageGeometry.pages(forTokens: tokens)
        let sliding = layers.count { $0.slidingWindow != nil }
        return layerBytes * ((layers.count - sliding) * pages + sliding * local.pages(ofPages: pages))
    }

    /// Tokens that a sequence of `tokens` tokens holds in layers with a sliding window.
    public func localTokens(ofTokens tokens: Int) -> Int {
        let pages = PageGeometry.pages(forTokens: tokens)
        return tokens - (pages - local.pages(ofPages: pages)) * PageGeometry.tokens
    }

    /// The longest sequence whose pages fit `bytes` once it is stored.
    public func tokens(inBytes bytes: Int) -> Int {
        tokens(inBytes: bytes, window.bytes(ofPages:), local.bytes(ofPages:))
    }

    /// The longest sequence that can be stored within `bytes` in steps of up to `step` tokens.
    public func tokens(inBytes bytes: Int, inStepsOf step: Int) -> Int {
        let stepPages = min(PageGeometry.pages(forTokens: step), bytes / pageBytes)
        return tokens(
            inBytes: bytes, { window.bytes(ofPages: $0, stepPages: stepPages) },
            { local.bytes(ofPages: $0, stepPages: stepPages) })
    }

    /// The most packed pages that fit `bytes` with the pages beside them, in tokens.
    private func tokens(inBytes bytes: Int, _ window: (Int) -> Int, _ local: (Int) -> Int) -> Int {
        // What lies beside grows with the packed pages, and from some number on no more.
        var (fitting, tooMany) = (0, bytes / pageBytes + 1)
        while tooMany - fitting > 1 {
            let pages = fitting + (tooMany - fitting) / 2
            if window(pages) + local(pages) <= bytes - pages * pageBytes { fitting = pages } else { tooMany = pages }
        }
        let (tokens, overflow) = fitting.multipliedReportingOverflow(by: PageGeometry.tokens)
        return overflow ? .max : tokens
    }

    /// What the pages of one sequence of `tokens` tokens are made of.
    public func footprint(forTokens tokens: Int) -> CacheFootprint {
        var result = CacheFootprint()
        for layer in layers {
            let held = layer.slidingWindow == nil ? tokens : localTokens(ofTokens: tokens)
            func share(_ bytes: Int) -> Int { bytes * held / PageGeometry.tokens }
            result.keyCodes += share(layer.keys.storage.codes)
            result.keyScales += share(layer.keys.storage.scales)
            result.valueCodes += share(layer.values.storage.codes)
            result.valueScales += share(layer.values.storage.scales)
        }
        let pages = PageGeometry.pages(forTokens: tokens)
        result.window = window.bytes(ofPages: pages)
        result.window += adaptivePlaces.reduce(0) { $0 + $1.part.copyBytes } * tokens / PageGeometry.tokens
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
    /// f16 copies: of the first and the last tokens, and those that bits are raised from.
    public var window = 0
    /// Slots of the last page that hold no token yet, and padding between parts.
    public var slack = 0

    /// All of it: what the pool holds for the sequence.
    public var total: Int { keyCodes + keyScales + valueCodes + valueScales + window + slack }
}

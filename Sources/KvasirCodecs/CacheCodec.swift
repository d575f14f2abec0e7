internal import CKvasir
internal import KvasirNumerics

/// The geometry every codec shares.
public enum PageGeometry {
    /// Tokens in a page.
    ///
    /// Sixty-four are four key tiles of 16 lanes, and one word of a bit-plane per channel.
    public static let tokens = Int(KV_PAGE_TOKENS)
    /// Every part of a page starts at a multiple of this many bytes.
    public static let alignment = 64
    /// The longest vector of one token a codec takes.
    public static let longestVector = Int(KV_MAX_VECTOR)

    /// Pages needed for `tokens` tokens.
    public static func pages(forTokens tokens: Int) -> Int { (tokens + Self.tokens - 1) / Self.tokens }
}

/// A way of storing cached keys and values: what a user names with `--cache`.
///
/// A codec is bound to the shape of a layer once, when the plan is made; everything that can be refused is refused there,
/// so that the bound codecs on the path of every token check nothing.
public protocol CacheCodec: Sendable {
    /// The canonical spelling with every parameter, which `CodecRegistry` parses back: `nf4/b256`, `q8_0/rot`.
    var name: String { get }

    /// Which form of the keys the codec stores.
    var keySpace: KeySpace { get }

    /// What `kvasir calibrate` must have measured of the model.
    var calibrations: Set<CalibrationKind> { get }

    /// Whether what the codec stores was learned for vectors as they come.
    var hasLearnedBasis: Bool { get }

    /// Why nothing may change vectors before the codec stores them; nil if rotation and centering go with it.
    var transformRefusal: String? { get }

    /// Binds the codec to the keys of a layer.
    ///
    /// - Throws: `CodecError` if the layer is not one the codec takes.
    func keys(of layer: LayerContext) throws(CodecError) -> any KeyCodec

    /// Binds the codec to the values of a layer.
    ///
    /// - Throws: `CodecError` if the layer is not one the codec takes.
    func values(of layer: LayerContext) throws(CodecError) -> any ValueCodec
}

/// A form of the keys.
public enum KeySpace: String, Sendable, Hashable, Codable {
    /// As the scores use them.
    case afterRotary = "after rotary"
    /// As the projection gives them, not yet turned by position.
    case beforeRotary = "before rotary"
}

extension CacheCodec {
    /// After rotary embedding, as a rule.
    public var keySpace: KeySpace { .afterRotary }
    /// Nothing, as a rule.
    public var calibrations: Set<CalibrationKind> { [] }
    /// No, as a rule.
    public var hasLearnedBasis: Bool { false }
    /// Something may, as a rule.
    public var transformRefusal: String? { nil }
}

/// A codec bound to one part (the keys, or the values, of one layer) of a page.
///
/// Encoding depends on the token's own vector and its position only, so appending in any chunking gives the same bytes.
/// A token at `position` lies in slot `position % PageGeometry.tokens` of its page.
public protocol PageCodec: Sendable {
    /// The heads of the part.
    var shape: HeadShape { get }

    /// What a page's part takes, by purpose.
    var storage: PartStorage { get }

    /// What the codec reads beside its pages.
    var sharedTables: [CodecTable] { get }

    /// How the part's tokens come to have different numbers of bits; nil as a rule, where all have the same.
    var adaptive: AdaptivePart? { get }

    /// Stores one token.
    ///
    /// - Parameters:
    ///   - vector: `shape.width` values, heads concatenated in order.
    ///   - position: the token's position in its sequence.
    ///   - part: the part's memory, `storage.bytes` long, zero before its first use.
    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer)

    /// Tokens that are encoded together, a divisor of `PageGeometry.tokens`; 1 unless the codec shares numbers over tokens.
    ///
    /// A codec with groups has `residualTokens` too: queries read the tokens of unfinished groups from f16 copies.
    var groupTokens: Int { get }

    /// Tokens at the end of a sequence that the method keeps in f16 whatever the user asks for; 0 as a rule.
    ///
    /// With `groupTokens` 1 a query reads this many tokens before and with its own in f16. Otherwise it is a multiple of
    /// `groupTokens`, and a query reads the tokens of its own block of so many, counted from position 0.
    var residualTokens: Int { get }

    /// Stores `groupTokens` tokens at once; only called, and then in place of `encode`, where that is more than 1.
    ///
    /// - Parameters:
    ///   - vectors: `groupTokens` x `shape.width` values, as they were rounded to f16.
    ///   - position: the first token's position, a multiple of `groupTokens`.
    ///   - part: the part's memory.
    func encode(group vectors: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer)

    /// Reads one token back as floats: the slow twin of attention on packed pages, and the oracle of its tests.
    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>)
}

extension PageCodec {
    /// Nothing, as a rule.
    public var sharedTables: [CodecTable] { [] }
    /// All tokens alike.
    public var adaptive: AdaptivePart? { nil }
    /// Every token by itself.
    public var groupTokens: Int { 1 }
    /// None.
    public var residualTokens: Int { 0 }

    /// Stores the tokens one by one.
    public func encode(group vectors: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        for token in 0..<groupTokens { encode(vectors + token * shape.width, position: position + token, into: part) }
    }
}

/// A codec bound to the keys of a layer: the first phase of attention.
public protocol KeyCodec: PageCodec {
    /// Bytes of one prepared query head.
    var queryBytes: Int { get }

    /// Brings the query of one head into the form `score` takes, multiplied by `factor` (1/sqrt(head size), usually).
    func prepare(query: UnsafePointer<Float>, factor: Float, into prepared: UnsafeMutableRawPointer)

    /// Does the same for query `row` of `rows` that will be scored together against KV head `head`.
    ///
    /// For codecs that need the head, or that lay out the rows in another way than `queryBytes` apart, which is the default.
    ///
    /// - Parameter prepared: memory of `rows` times `queryBytes`.
    func prepare(
        query: UnsafePointer<Float>, row: Int, of rows: Int, head: Int, factor: Float,
        into prepared: UnsafeMutableRawPointer)

    /// Whether what is stored includes what all keys have in common; where it does, large biases cost precision.
    var storesMeans: Bool { get }

    /// Makes ready what depends on positions alone, for the positions below `positions`.
    ///
    /// Called by one thread before tokens are stored there; the default has nothing to make ready.
    func reserve(positions: Int)

    /// Computes `scores[row * stride + token]`, the dot products of queries and keys of one KV head.
    ///
    /// The query heads of a group, times the query tokens of a tile, share one pass over the packed keys. A row's result
    /// does not depend on the other rows, nor on how a run is cut between pages.
    ///
    /// - Parameters:
    ///   - run: the cached tokens.
    ///   - head: the KV head.
    ///   - queries: `rows` prepared queries.
    ///   - scores: written for whole pages; `stride` is at least the tokens rounded up to a page.
    func score(
        _ run: TokenRun, head: Int, queries: UnsafeRawPointer, rows: Int, into scores: UnsafeMutablePointer<Float>,
        stride: Int)
}

extension KeyCodec {
    /// Yes, as a rule.
    public var storesMeans: Bool { true }

    /// Nothing.
    public func reserve(positions: Int) {}

    /// One after the other, whatever the head.
    public func prepare(
        query: UnsafePointer<Float>, row: Int, of rows: Int, head: Int, factor: Float,
        into prepared: UnsafeMutableRawPointer
    ) {
        prepare(query: query, factor: factor, into: prepared + row * queryBytes)
    }
}

/// A codec bound to the values of a layer: the second phase of attention.
public protocol ValueCodec: PageCodec {
    /// Adds the sum over tokens of weight times value to `out[row * headSize + channel]`, for one KV head.
    ///
    /// - Parameters:
    ///   - run: the cached tokens.
    ///   - head: the KV head.
    ///   - weights: `weights[row * stride + token]`, none negative, zero from the end of the run to the end of its page.
    ///   - rows: query heads of the group, times query tokens.
    ///   - out: `rows` rows of `shape.headSize` sums.
    func mix(
        _ run: TokenRun, head: Int, weights: UnsafePointer<Float>, rows: Int, stride: Int,
        into out: UnsafeMutablePointer<Float>)

    /// Turns one finished output row of one head, `shape.headSize` values, back into the space of the values.
    ///
    /// Linear, so sums that `mix` gave for the same codec may be added up and divided first. The default does nothing.
    func restore(_ output: UnsafeMutablePointer<Float>)
}

extension ValueCodec {
    /// Leaves the row as it is: the codec stores values in their own space.
    public func restore(_ output: UnsafeMutablePointer<Float>) {}
}

/// Cached tokens as a codec sees them: one part of consecutive pages, from the start of the first.
public struct TokenRun {
    /// The address of each page.
    public let pages: UnsafePointer<UnsafeRawPointer>
    /// Where the part starts in a page, in bytes.
    public let offset: Int
    /// The first token's position in the sequence, a multiple of `PageGeometry.tokens`.
    public let position: Int
    /// Tokens from the start of the first page on.
    public let tokens: Int
    /// Pages after those of the run whose addresses follow: kernels read ahead into them.
    public let following: Int

    /// Creates a run of `tokens` tokens.
    public init(
        pages: UnsafePointer<UnsafeRawPointer>, offset: Int, position: Int, tokens: Int, following: Int = 0
    ) {
        self.pages = pages
        self.offset = offset
        self.position = position
        self.tokens = tokens
        self.following = following
    }

    /// The run as the C kernels take it.
    var kernelRun: kv_run {
        kv_run(
            pages: UnsafeRawPointer(pages).assumingMemoryBound(to: UnsafeRawPointer?.self), offset: offset,
            tokens: tokens, following: following)
    }
}

/// What one part of a page takes, in bytes, by purpose.
public struct PartStorage: Sendable, Hashable {
    /// The stored values or their indices.
    public let codes: Int
    /// Scales and other per-block numbers.
    public let scales: Int

    /// Creates the storage of a part.
    public init(codes: Int, scales: Int = 0) {
        self.codes = codes
        self.scales = scales
    }

    /// All bytes of the part.
    public var bytes: Int { codes + scales }

    /// Bits for each of the `width` values of a token, every overhead counted.
    public func bitsPerValue(width: Int) -> Double {
        Double(bytes * 8) / Double(PageGeometry.tokens * width)
    }
}

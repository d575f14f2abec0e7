package import KvasirCodecs
internal import KvasirNumerics

/// The shape of the cache that the codec kernels are timed on.
package struct CacheShape: Sendable {
    package let heads: HeadShape
    /// Query heads that share a KV head.
    package let group: Int
    /// Cached tokens, a multiple of a page.
    package let tokens: Int
    /// Layers, taken in turn: one layer alone would stay in a cache that a model's does not fit.
    package let layers: Int

    package init(heads: HeadShape, group: Int, tokens: Int, layers: Int) {
        self.heads = heads
        self.group = group
        self.tokens = tokens
        self.layers = layers
    }

    var pages: Int { PageGeometry.pages(forTokens: tokens) }
    /// Values of one layer's keys, or of its values.
    var values: Int { tokens * heads.width }
}

/// The keys (or the values) of all layers in pages, laid out as in the engine: a page holds all layers of its tokens.
final class PackedContext {
    let shape: CacheShape
    /// Bytes of one layer's part of a page.
    let partBytes: Int
    /// Where a layer's part starts, relative to the part of the layer before.
    private let partStride: Int
    private let memory: AlignedBuffer<UInt8>
    private let addresses: AlignedBuffer<UInt>

    /// Pages whose contents differ; the others repeat them.
    private static let distinctPages = 8

    /// Encodes random vectors.
    init(_ codec: any PageCodec, shape: CacheShape) {
        self.shape = shape
        (codec as? any KeyCodec)?.reserve(positions: shape.tokens)
        partBytes = codec.storage.bytes
        partStride = (partBytes + PageGeometry.alignment - 1) / PageGeometry.alignment * PageGeometry.alignment
        let pageBytes = partStride * shape.layers
        memory = AlignedBuffer(zeroed: pageBytes * shape.pages)
        addresses = AlignedBuffer(zeroed: shape.pages)
        for page in 0..<shape.pages {
            addresses.pointer[page] = UInt(bitPattern: memory.pointer + page * pageBytes)
        }
        for page in 0..<min(Self.distinctPages, shape.pages) {
            let vectors = randomVectors(PageGeometry.tokens, of: shape.heads.width, seed: UInt64(page))
            codec.encodePage(vectors.pointer, into: part(layer: 0, page: page))
        }
        for page in 0..<shape.pages {
            let source = part(layer: 0, page: page % Self.distinctPages)
            for layer in 0..<shape.layers where layer > 0 || page >= Self.distinctPages {
                part(layer: layer, page: page).copyMemory(from: source, byteCount: partBytes)
            }
        }
    }

    /// Packed bytes of one layer, which one run of a kernel reads or writes.
    var layerBytes: Int { partBytes * shape.pages }
    /// Packed bytes of all layers.
    var bytes: Int { layerBytes * shape.layers }

    /// The memory of one layer in one page.
    func part(layer: Int, page: Int) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(memory.pointer + page * partStride * shape.layers + offset(ofLayer: layer))
    }

    /// Where a layer's part starts in a page.
    func offset(ofLayer layer: Int) -> Int { layer * partStride }

    /// The address of each page, valid as long as this object lives.
    var pages: UnsafePointer<UnsafeRawPointer> {
        UnsafeRawPointer(addresses.pointer).assumingMemoryBound(to: UnsafeRawPointer.self)
    }
}

/// Vectors of roughly normal numbers.
func randomVectors(_ count: Int, of width: Int, seed: UInt64) -> AlignedBuffer<Float> {
    let buffer = AlignedBuffer<Float>(zeroed: count * width)
    var generator = SeededGenerator(seed: seed)
    for index in 0..<buffer.count {
        buffer.pointer[index] = Float((0..<4).reduce(0) { sum, _ in sum + generator.nextUnit() } - 2) * 1.7
    }
    return buffer
}

extension PageCodec {
    /// Stores a whole page of tokens, in groups where the codec has them.
    func encodePage(_ vectors: UnsafePointer<Float>, into part: UnsafeMutableRawPointer) {
        for slot in stride(from: 0, to: PageGeometry.tokens, by: groupTokens) {
            let first = vectors + slot * shape.width
            if groupTokens > 1 {
                encode(group: first, position: slot, into: part)
            } else {
                encode(first, position: slot, into: part)
            }
        }
    }
}

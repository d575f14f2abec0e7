internal import CKvasir
internal import Foundation
public import KvasirNumerics

/// The cosines and sines of every position, packed as keys of one head are, so that what depends on a query and on a
/// position alone is a score like any other.
///
/// One table serves all layers and sequences. Position p is a vector of `headSize` numbers, the cosines of all pairs and
/// then their sines, in 8 bits with a scale for each half at least: about 68 bytes for heads of 64.
///
/// Position 0 is a vector of zeros: nothing is taken away there. Models make the first token an attention sink, whose key
/// points elsewhere; without the mean it would be longer than with it, and most scores hang on its precision.
public final class RotaryPages: @unchecked Sendable {  // grows only in `reserve`, which one thread calls
    /// The embedding the table is of.
    public let embedding: RotaryEmbedding
    /// Channels of a head.
    public let headSize: Int

    let keys: BlockKeys
    private var pages: [Page] = []
    private var addresses: [UnsafeRawPointer] = []

    private final class Page {
        let memory: AlignedBuffer<UInt8>
        init(bytes: Int) { memory = AlignedBuffer(zeroed: bytes) }
        var start: UnsafeMutableRawPointer { UnsafeMutableRawPointer(memory.pointer) }
    }

    /// Describes a table; it takes memory when positions are reserved.
    ///
    /// - Throws: `CodecError` if heads do not consist of panels of 16 channels, or have fewer channels than are turned.
    public init(
        _ embedding: RotaryEmbedding, headSize: Int, instructionSet: InstructionSet
    ) throws(CodecError) {
        guard 2 * embedding.frequencies.count <= headSize else {
            throw CodecError(
                reason: .unsupportedShape, received: "\(embedding.frequencies.count) turned pairs",
                remedy: "a head of \(headSize) channels has at most \(headSize / 2)")
        }
        self.embedding = embedding
        self.headSize = headSize
        keys = BlockKeys(block: try GGMLType.q8_0.format(HeadShape(kvHeads: 1, headSize: headSize), instructionSet))
    }

    /// Bytes the table takes.
    public var byteCount: Int { pages.count * keys.storage.bytes }

    /// What it takes.
    var table: CodecTable {
        CodecTable(of: self, purpose: .positions, bytes: 0, bytesPerPage: keys.storage.bytes)
    }

    /// Makes the table reach `positions` positions; called by one thread, before others read.
    func reserve(positions: Int) {
        while addresses.count < PageGeometry.pages(forTokens: positions) {
            let page = Page(bytes: keys.storage.bytes)
            let first = addresses.count * PageGeometry.tokens
            for position in first..<first + PageGeometry.tokens {
                vector(of: position).withUnsafeBufferPointer {
                    guard let vector = $0.baseAddress else { return }
                    keys.encode(vector, position: position, into: page.start)
                }
            }
            addresses.append(UnsafeRawPointer(page.start))
            pages.append(page)
        }
    }

    /// The cosines and then the sines of all pairs, as the table holds them.
    func read(_ position: Int, into vector: UnsafeMutablePointer<Float>) {
        keys.decode(position: position, of: addresses[position / PageGeometry.tokens], into: vector)
    }

    /// The rows of the table beside a run of cached tokens.
    func withRun(beside run: TokenRun, _ body: (TokenRun) -> Void) {
        addresses.withUnsafeBufferPointer { addresses in
            guard let base = addresses.baseAddress else { preconditionFailure("positions were not reserved") }
            let first = run.position / PageGeometry.tokens
            precondition(
                first + PageGeometry.pages(forTokens: run.tokens) <= addresses.count, "positions were not reserved")
            body(TokenRun(pages: base + first, offset: 0, position: run.position, tokens: run.tokens))
        }
    }

    private func vector(of position: Int) -> [Float] {
        guard position > 0 else { return [Float](repeating: 0, count: headSize) }
        let angles = (0..<headSize / 2).map { embedding.frequency(ofPair: $0) * Double(position) }
        return angles.map { Float(cos($0)) } + angles.map { Float(sin($0)) }
    }
}

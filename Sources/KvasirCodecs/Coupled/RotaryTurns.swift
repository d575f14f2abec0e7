internal import CKvasir
internal import Foundation
internal import KvasirNumerics

/// The turns of rotary embedding for codecs that store keys as they were before it, in float32.
///
/// A position is the first of its page and a number of steps from there: angles add up, so that the cosines and sines of 64
/// steps and those of every page's first position serve all positions. One table serves all layers and sequences that are
/// turned alike.
public final class RotaryTurns: @unchecked Sendable {  // grows only in `reserve`, which one thread calls
    /// The embedding the table is of.
    public let embedding: RotaryEmbedding

    private let within: AlignedBuffer<Float>
    private var first: AlignedBuffer<Float>
    private var pages = 0

    /// Makes the table of the steps within a page; that of the pages grows when positions are reserved.
    public init(_ embedding: RotaryEmbedding) {
        self.embedding = embedding
        let steps = PageGeometry.tokens
        within = AlignedBuffer(zeroed: embedding.frequencies.count * 2 * steps)
        first = AlignedBuffer(zeroed: 0)
        for (pair, frequency) in embedding.frequencies.enumerated() {
            for step in 0..<steps {
                within.pointer[pair * 2 * steps + step] = Float(cos(frequency * Double(step)))
                within.pointer[(pair * 2 + 1) * steps + step] = Float(sin(frequency * Double(step)))
            }
        }
    }

    /// What it takes.
    var table: CodecTable {
        CodecTable(
            of: self, purpose: .positions, bytes: within.byteCount,
            bytesPerPage: 2 * embedding.frequencies.count * MemoryLayout<Float>.stride)
    }

    /// Makes the table reach `positions` positions; called by one thread, before others read.
    func reserve(positions: Int) {
        let wanted = PageGeometry.pages(forTokens: positions)
        guard wanted > pages else { return }
        let pairs = embedding.frequencies.count
        let reach = first.count / max(2 * pairs, 1)
        if wanted > reach {
            first.reserve(2 * pairs * wanted)
            pages = 0
        }
        for page in pages..<wanted {
            for (pair, frequency) in embedding.frequencies.enumerated() {
                let angle = frequency * Double(page * PageGeometry.tokens)
                first.pointer[page * 2 * pairs + pair] = Float(cos(angle))
                first.pointer[(page * 2 + 1) * pairs + pair] = Float(sin(angle))
            }
        }
        pages = wanted
    }

    /// The table as the kernels take it, valid until more positions are reserved.
    var kernelTurns: kv_coupled_turns {
        kv_coupled_turns(
            pairs: UInt32(embedding.frequencies.count), halves: embedding.order == .halves,
            within: UnsafePointer(within.pointer), pages: UnsafePointer(first.pointer))
    }
}

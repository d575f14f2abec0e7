import KvasirNumerics
import Testing

@testable import KvasirCodecs

/// Cached tokens whose keys and values are the same vectors, for codecs that choose how much of them to read.
final class SelectiveContext {
    let fixture: CodecFixture
    let keys: any SelectiveKeyCodec
    let values: any SelectiveValueCodec
    let codec: any CacheCodec
    private let keyPages: [UnsafeRawPointer]
    private let valuePages: [UnsafeRawPointer]

    var shape: HeadShape { fixture.shape }

    init(
        _ name: String, size: Int, kvHeads: Int, tokens: Int, _ instructionSet: InstructionSet,
        value: (_ token: Int, _ channel: Int) -> Float
    ) throws {
        codec = try CodecRegistry.codec(named: name)
        let width = kvHeads * size
        fixture = try CodecFixture(
            codec: codec, shape: HeadShape(kvHeads: kvHeads, headSize: size), tokens: tokens,
            instructionSet: instructionSet
        ) { _, count in (0..<count).map { value($0 / width, $0 % width) } }
        keys = try #require(fixture.keys as? any SelectiveKeyCodec)
        values = try #require(fixture.values as? any SelectiveValueCodec)
        let parts = (0..<PageGeometry.pages(forTokens: tokens)).map(fixture.parts(ofPage:))
        keyPages = parts.map(\.keys)
        valuePages = parts.map(\.values)
    }

    /// The last head: rows x tokens that the last query token sees.
    func scores(_ queries: [Float], groupSize: Int, position: Int) -> [Float] {
        let rows = queries.count / shape.headSize
        let stride = keyPages.count * PageGeometry.tokens
        let prepared = AlignedBuffer<UInt8>(zeroed: rows * keys.queryBytes)
        let memory = UnsafeMutableRawPointer(prepared.pointer)
        var scores = [Float](repeating: .nan, count: rows * stride)
        queries.withUnsafeBufferPointer { queries in
            for row in 0..<rows {
                keys.prepare(
                    query: queries.baseAddress! + row * shape.headSize, factor: 1,
                    into: memory + row * keys.queryBytes)
            }
        }
        run(keyPages, position: position + rows / groupSize) { run in
            keys.choose(run, self.rows(rows, groupSize, position), prepared: memory)
            keys.score(run, head: shape.kvHeads - 1, queries: memory, rows: rows, into: &scores, stride: stride)
        }
        return (0..<rows).flatMap { scores[$0 * stride..<$0 * stride + position + rows / groupSize] }
    }

    /// The last head: rows x head size.
    func mix(_ weights: [Float], totals: [Float], groupSize: Int, position: Int) -> [Float] {
        let rows = totals.count
        let stride = valuePages.count * PageGeometry.tokens
        var padded = [Float](repeating: 0, count: rows * stride)
        for row in 0..<rows {
            for token in 0..<fixture.tokens { padded[row * stride + token] = weights[row * fixture.tokens + token] }
        }
        var out = [Float](repeating: 0, count: rows * shape.headSize)
        let choices = AlignedBuffer<UInt8>(zeroed: rows * values.choiceBytes)
        run(valuePages, position: position + rows / groupSize) { run in
            values.choose(
                run, self.rows(rows, groupSize, position), weights: padded, stride: stride, totals: totals,
                into: UnsafeMutableRawPointer(choices.pointer))
            values.mix(
                run, head: shape.kvHeads - 1, weights: padded, rows: rows, stride: stride,
                choices: UnsafeRawPointer(choices.pointer), into: &out)
        }
        return out
    }

    private func rows(_ rows: Int, _ groupSize: Int, _ position: Int) -> QueryRows {
        QueryRows(head: shape.kvHeads - 1, rows: rows, groupSize: groupSize, position: position)
    }

    private func run(_ pages: [UnsafeRawPointer], position: Int, _ body: (TokenRun) -> Void) {
        pages.withUnsafeBufferPointer {
            body(TokenRun(pages: $0.baseAddress!, offset: 0, position: 0, tokens: min(position, fixture.tokens)))
        }
    }
}

import KvasirCodecs
import KvasirNumerics
import Synchronization

@testable import KvasirCache

/// What a wrapped codec was asked to do.
final class CodecRecord: Sendable {
    let decodes = Atomic<Int>(0)
    let scores = Atomic<Int>(0)
    let mixes = Atomic<Int>(0)
}

/// A codec that does what another does and counts it.
struct RecordingCodec: CacheCodec {
    let base: any CacheCodec
    let record = CodecRecord()

    var name: String { base.name }

    func keys(of layer: LayerContext) throws(CodecError) -> any KeyCodec {
        RecordingKeys(base: try base.keys(of: layer), record: record)
    }

    func values(of layer: LayerContext) throws(CodecError) -> any ValueCodec {
        RecordingValues(base: try base.values(of: layer), record: record)
    }

    /// The plan of this codec for keys and values.
    func plan(shape: CacheShape) throws -> CachePlan {
        try CachePlan(
            CacheConfiguration(keys: name, values: name), keys: self, values: self, shape: shape,
            instructionSet: .best)
    }
}

private struct RecordingKeys: KeyCodec {
    let base: any KeyCodec
    let record: CodecRecord

    var shape: HeadShape { base.shape }
    var storage: PartStorage { base.storage }
    var queryBytes: Int { base.queryBytes }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        base.encode(vector, position: position, into: part)
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        record.decodes.add(1, ordering: .relaxed)
        base.decode(position: position, of: part, into: vector)
    }

    func prepare(query: UnsafePointer<Float>, factor: Float, into prepared: UnsafeMutableRawPointer) {
        base.prepare(query: query, factor: factor, into: prepared)
    }

    func score(
        _ run: TokenRun, head: Int, queries: UnsafeRawPointer, rows: Int, into scores: UnsafeMutablePointer<Float>,
        stride: Int
    ) {
        record.scores.add(rows * run.tokens, ordering: .relaxed)
        base.score(run, head: head, queries: queries, rows: rows, into: scores, stride: stride)
    }
}

private struct RecordingValues: ValueCodec {
    let base: any ValueCodec
    let record: CodecRecord

    var shape: HeadShape { base.shape }
    var storage: PartStorage { base.storage }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        base.encode(vector, position: position, into: part)
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        record.decodes.add(1, ordering: .relaxed)
        base.decode(position: position, of: part, into: vector)
    }

    func mix(
        _ run: TokenRun, head: Int, weights: UnsafePointer<Float>, rows: Int, stride: Int,
        into out: UnsafeMutablePointer<Float>
    ) {
        record.mixes.add(rows * run.tokens, ordering: .relaxed)
        base.mix(run, head: head, weights: weights, rows: rows, stride: stride, into: out)
    }
}

internal import Foundation
internal import KvasirCache
internal import KvasirCodecs
internal import KvasirModels
internal import KvasirNumerics

/// One layer's attention on the keys and values of a window, stored in one cache and another.
struct AttentionComparison {
    private let record: AttentionRecord
    private let shape: CacheShape
    private let queries: Int
    private let keys: any KeyCodec
    private let values: any ValueCodec
    /// By KV head: rows x padded tokens, the scores of an f16 cache, and what the softmax makes of them.
    private var scores: [[Float]] = []
    private var weights: [[Float]] = []
    /// By KV head: rows x head size.
    private var outputs: [[Float]] = []

    private var tokens: Int { record.keys.rows }
    private var rows: Int { queries * shape.groupSize }
    private var paddedTokens: Int { PageGeometry.pages(forTokens: tokens) * PageGeometry.tokens }

    init(_ record: AttentionRecord, shape: CacheShape, reference: CachePlan.Layer, queries: Int) {
        self.record = record
        self.shape = shape
        self.queries = queries
        keys = reference.keys
        values = reference.values
        let keyPages = StoredPart(keys, record.keys)
        let valuePages = StoredPart(values, record.values)
        for head in 0..<shape.heads.kvHeads {
            scores.append(score(keys, keyPages, head: head))
            weights.append(softmax(scores[head]))
            outputs.append(mix(values, valuePages, head: head, weights: weights[head]))
        }
    }

    /// Compares a cache.
    func rows(_ plan: CachePlan) -> [PrecisionRow] {
        let layer = plan.layers[record.layer]
        let before = plan.reading
        var rows = [
            row(of: layer.keys, record.keys, plan.configuration.description),
            row(of: layer.values, record.values, plan.configuration.description),
        ]
        let reading = plan.reading.since(before)
        let read = [reading.keys[record.layer], reading.values[record.layer]]
        let codecs: [any PageCodec] = [layer.keys, layer.values]
        for index in rows.indices {
            rows[index].count(read[index], codecs[index].storage, seen: seenValues, width: shape.heads.width)
        }
        return rows
    }

    /// Compares f16 words cut to some bits.
    func rows(cutTo count: Int) -> [PrecisionRow] {
        let method = "f16 cut to \(count) bits"
        var rows = [
            Self.withTruncated(record.keys, toBits: count) { self.row(of: keys, $0, method) },
            Self.withTruncated(record.values, toBits: count) { self.row(of: values, $0, method) },
        ]
        for index in rows.indices {
            rows[index].valuesRead = seenValues
            rows[index].bitsRead = seenValues * count
        }
        return rows
    }

    /// Calls `body` with vectors as 16-bit floats of which the last bits are lost.
    private static func withTruncated<Result>(
        _ vectors: FloatMatrix, toBits count: Int, _ body: (FloatMatrix) -> Result
    ) -> Result {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: vectors.rows * vectors.columns) { buffer in
            guard let first = buffer.baseAddress else { preconditionFailure("a window has tokens") }
            let truncated = FloatMatrix(first, rows: vectors.rows, columns: vectors.columns)
            for row in 0..<vectors.rows {
                for column in 0..<vectors.columns {
                    truncated.row(row)[column] = HalfPrecision.truncated(vectors.row(row)[column], toBits: count)
                }
            }
            return body(truncated)
        }
    }

    /// Values of one part that the queries see, all KV heads.
    private var seenValues: Int {
        (tokens - queries + 1...tokens).reduce(0, +) * shape.heads.width
    }

    private func row(of codec: any KeyCodec, _ vectors: FloatMatrix, _ method: String) -> PrecisionRow {
        var row = PrecisionRow(method: method, part: .scores)
        let pages = StoredPart(codec, vectors)
        for head in 0..<shape.heads.kvHeads {
            let actual = score(codec, pages, head: head)
            forEachSeen { row.add(actual[$0], reference: scores[head][$0]) }
        }
        return row
    }

    private func row(of codec: any ValueCodec, _ vectors: FloatMatrix, _ method: String) -> PrecisionRow {
        var row = PrecisionRow(method: method, part: .outputs)
        let pages = StoredPart(codec, vectors)
        for head in 0..<shape.heads.kvHeads {
            let actual = mix(codec, pages, head: head, weights: weights[head])
            for index in actual.indices { row.add(actual[index], reference: outputs[head][index]) }
        }
        return row
    }

    /// Calls `body` with the place of every score of a query and a token that it sees.
    private func forEachSeen(_ body: (Int) -> Void) {
        for row in 0..<rows {
            for token in 0..<limit(row) { body(row * paddedTokens + token) }
        }
    }

    private func limit(_ row: Int) -> Int { tokens - queries + row / shape.groupSize + 1 }

    private func queryRows(_ head: Int) -> QueryRows {
        QueryRows(head: head, rows: rows, groupSize: shape.groupSize, position: tokens - queries)
    }

    private func score(_ codec: any KeyCodec, _ pages: StoredPart, head: Int) -> [Float] {
        let prepared = AlignedBuffer<UInt8>(zeroed: rows * codec.queryBytes)
        let memory = UnsafeMutableRawPointer(prepared.pointer)
        var scores = [Float](repeating: 0, count: rows * paddedTokens)
        for row in 0..<rows {
            let (token, member) = row.quotientAndRemainder(dividingBy: shape.groupSize)
            let query = record.queries.row(tokens - queries + token)
            codec.prepare(
                query: query + (head * shape.groupSize + member) * shape.heads.headSize, row: row, of: rows, head: head,
                factor: record.factor, into: memory)
        }
        pages.withRun { run in
            (codec as? any SelectiveKeyCodec)?.choose(run, queryRows(head), prepared: memory)
            codec.score(run, head: head, queries: memory, rows: rows, into: &scores, stride: paddedTokens)
        }
        return scores
    }

    private func softmax(_ scores: [Float]) -> [Float] {
        var weights = [Float](repeating: 0, count: scores.count)
        for row in 0..<rows {
            let seen = row * paddedTokens..<row * paddedTokens + limit(row)
            let maximum = scores[seen].max() ?? 0
            let total = scores[seen].reduce(Float(0)) { $0 + exp($1 - maximum) }
            for index in seen { weights[index] = exp(scores[index] - maximum) / total }
        }
        return weights
    }

    private func mix(_ codec: any ValueCodec, _ pages: StoredPart, head: Int, weights: [Float]) -> [Float] {
        var outputs = [Float](repeating: 0, count: rows * shape.heads.headSize)
        pages.withRun { run in
            if let selective = codec as? any SelectiveValueCodec {
                let choices = AlignedBuffer<UInt8>(zeroed: rows * selective.choiceBytes)
                let memory = UnsafeMutableRawPointer(choices.pointer)
                selective.choose(
                    run, queryRows(head), weights: weights, stride: paddedTokens,
                    totals: [Float](repeating: 1, count: rows), into: memory)
                selective.mix(
                    run, head: head, weights: weights, rows: rows, stride: paddedTokens, choices: memory, into: &outputs
                )
            } else {
                codec.mix(run, head: head, weights: weights, rows: rows, stride: paddedTokens, into: &outputs)
            }
        }
        outputs.withUnsafeMutableBufferPointer { outputs in
            guard let first = outputs.baseAddress else { return }
            for row in 0..<rows { codec.restore(first + row * shape.heads.headSize) }
        }
        return outputs
    }
}

extension PrecisionRow {
    /// Counts the bits that were read: as metered, or all that are stored.
    fileprivate mutating func count(_ reading: CacheReading?, _ storage: PartStorage, seen: Int, width: Int) {
        if let reading {
            valuesRead = reading.values.values.reduce(0, +)
            bitsRead = reading.values.reduce(reading.estimatedBits) { $0 + $1.key * $1.value }
        } else {
            valuesRead = seen
            bitsRead = Int((Double(seen) * storage.bitsPerValue(width: width)).rounded())
        }
    }
}

/// One part of the pages of a window.
private final class StoredPart {
    private let memory: AlignedBuffer<UInt8>
    private let pages: [UnsafeRawPointer]
    private let tokens: Int

    init(_ codec: any PageCodec, _ vectors: FloatMatrix) {
        tokens = vectors.rows
        (codec as? any KeyCodec)?.reserve(positions: tokens)
        let alignment = PageGeometry.alignment
        let bytes = (codec.storage.bytes + alignment - 1) / alignment * alignment
        let count = PageGeometry.pages(forTokens: tokens)
        memory = AlignedBuffer(zeroed: count * bytes)
        let first = UnsafeMutableRawPointer(memory.pointer)
        pages = (0..<count).map { UnsafeRawPointer(first + $0 * bytes) }
        for token in 0..<tokens {
            codec.encode(
                vectors.row(token), position: token, into: first + token / PageGeometry.tokens * bytes)
        }
    }

    func withRun(_ body: (TokenRun) -> Void) {
        pages.withUnsafeBufferPointer { pages in
            guard let first = pages.baseAddress else { return }
            body(TokenRun(pages: first, offset: 0, position: 0, tokens: tokens))
        }
    }
}

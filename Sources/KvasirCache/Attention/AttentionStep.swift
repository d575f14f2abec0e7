internal import CKvasir
internal import KvasirCodecs
internal import KvasirNumerics

/// What every item of a step shares.
///
/// A class, and with what the items ask of the layer's optional parts written down: a batch has thousands of items, and
/// copying a layer's codecs for each took as long as storing its tokens.
final class AttentionStep {
    let layer: CachePlan.Layer
    let heads: HeadShape
    /// Query heads that read one KV head.
    let groupSize: Int
    let softmax: UnsafePointer<kv_ops_kernels>
    let queries: FloatMatrix
    let output: FloatMatrix
    /// The rows that decisions about bits depend on; nil if none does.
    let feedback: AttentionFeedback?

    /// Bytes of one prepared query.
    let queryBytes: Int
    /// Bytes that say of one query row how much of the values it reads.
    let choiceBytes: Int
    /// Whether queries read some keys, or values, in f16.
    let hasExactKeys: Bool
    let hasExactValues: Bool
    /// Whether more or fewer bits of the keys, or values, are read by the query.
    let choosesKeys: Bool
    let choosesValues: Bool

    init(
        layer: CachePlan.Layer, shape: CacheShape, softmax: UnsafePointer<kv_ops_kernels>, queries: FloatMatrix,
        output: FloatMatrix
    ) {
        self.layer = layer
        heads = shape.heads
        groupSize = shape.groupSize
        self.softmax = softmax
        self.queries = queries
        self.output = output
        feedback = AttentionFeedback(layer)
        queryBytes = layer.keys.queryBytes
        choiceBytes = layer.selectiveValues?.choiceBytes ?? 0
        hasExactKeys = layer.exactKeys != nil
        hasExactValues = layer.exactValues != nil
        choosesKeys = layer.selectiveKeys != nil
        choosesValues = layer.selectiveValues != nil
    }

    /// Where row `row` of a KV head starts in a matrix of tokens x (query heads x head size).
    func address(of row: Int, head: Int, _ tile: AttentionTile, in matrix: FloatMatrix) -> UnsafeMutablePointer<Float> {
        let (token, member) = row.quotientAndRemainder(dividingBy: groupSize)
        return matrix.row(tile.firstRow + token) + (head * groupSize + member) * heads.headSize
    }

    /// The first token that the row attends to; those before lie outside the layer's sliding window.
    func firstToken(row: Int, _ tile: AttentionTile) -> Int { firstToken(at: tile.position + row / groupSize) }

    /// The start of the first page that any row of the tile attends to.
    func start(of tile: AttentionTile) -> Int {
        firstToken(at: tile.position) / PageGeometry.tokens * PageGeometry.tokens
    }

    private func firstToken(at position: Int) -> Int { max(position + 1 - (layer.slidingWindow ?? .max), 0) }

    /// Prepares the queries of a tile; those for the window only where the layer has one.
    func prepare(
        _ tile: AttentionTile, head: Int, factor: Float, into prepared: UnsafeMutablePointer<UInt8>,
        _ exact: UnsafeMutablePointer<UInt8>
    ) {
        let rows = tile.tokens * groupSize
        func prepare(_ codec: any KeyCodec, into prepared: UnsafeMutablePointer<UInt8>) {
            for row in 0..<rows {
                codec.prepare(
                    query: address(of: row, head: head, tile, in: queries), row: row, of: rows, head: head,
                    factor: factor, into: UnsafeMutableRawPointer(prepared))
            }
        }
        prepare(layer.keys, into: prepared)
        if choosesKeys {
            layer.selectiveKeys?.choose(
                wholeRun(tile, offset: layer.keyOffset), queryRows(tile, head: head),
                prepared: UnsafeMutableRawPointer(prepared))
        }
        if hasExactKeys, let codec = layer.exactKeys?.codec { prepare(codec, into: exact) }
    }

    private func queryRows(_ tile: AttentionTile, head: Int) -> QueryRows {
        QueryRows(
            head: head, rows: tile.tokens * groupSize, groupSize: groupSize, position: tile.position)
    }

    /// All pages that some row of the tile attends to.
    private func wholeRun(_ tile: AttentionTile, offset: Int) -> TokenRun {
        run(tile, offset: offset, from: start(of: tile), to: tile.context)
    }

    /// Lets a codec that reads values selectively see all weights of the tile first; nothing for others.
    ///
    /// - Parameters:
    ///   - weights: of the row's first position, before division by `totals`.
    ///   - choices: for every row what `mix` is then given.
    func choose(
        _ tile: AttentionTile, head: Int, weights: UnsafePointer<Float>, stride: Int, totals: UnsafePointer<Float>,
        into choices: UnsafeMutablePointer<UInt8>
    ) {
        guard choosesValues else { return }
        layer.selectiveValues?.choose(
            wholeRun(tile, offset: layer.valueOffset), queryRows(tile, head: head),
            weights: weights + start(of: tile), stride: stride, totals: totals,
            into: UnsafeMutableRawPointer(choices))
    }

    func run(_ tile: AttentionTile, offset: Int, from start: Int, to end: Int) -> TokenRun {
        let pages = tile.sequence.withPages(of: layer) { $0.baseAddress }
        guard let pages else { preconditionFailure("a sequence with tokens has pages") }
        return TokenRun(
            pages: pages + start / PageGeometry.tokens, offset: offset, position: start, tokens: end - start,
            following: PageGeometry.pages(forTokens: tile.context) - PageGeometry.pages(forTokens: end))
    }

    /// Scores positions `start..<end`: packed keys, and in their place f16 copies for the rows that read those.
    func score(
        _ tile: AttentionTile, head: Int, from start: Int, to end: Int, queries: UnsafePointer<UInt8>,
        into scores: UnsafeMutablePointer<Float>, stride: Int, window: WindowBuffers.Share
    ) {
        if hasExactKeys, let exact = layer.exactKeys {
            scoreWindowed(
                tile, head: head, from: start, to: end, queries: queries, into: scores, stride: stride, exact: exact,
                window: window)
            return
        }
        layer.keys.score(
            run(tile, offset: layer.keyOffset, from: start, to: end), head: head, queries: queries,
            rows: tile.tokens * groupSize, into: scores, stride: stride)
    }

    /// Sums up packed values by their weights; where the layer has a window, `mixWindow` comes first and takes the weights
    /// of the copies away.
    func mix(
        _ tile: AttentionTile, head: Int, from start: Int, to end: Int, weights: UnsafePointer<Float>, stride: Int,
        choices: UnsafePointer<UInt8>, into sums: UnsafeMutablePointer<Float>
    ) {
        let rows = tile.tokens * groupSize
        sums.update(repeating: 0, count: rows * heads.headSize)
        let packed =
            hasExactValues ? layer.exactValues?.tokens.packed(in: start..<end, tile) ?? start..<end : start..<end
        guard !packed.isEmpty else { return }
        let run = run(tile, offset: layer.valueOffset, from: packed.lowerBound, to: packed.upperBound)
        let weights = weights + (packed.lowerBound - start)
        if choosesValues, let selective = layer.selectiveValues {
            selective.mix(
                run, head: head, weights: weights, rows: rows, stride: stride, choices: UnsafeRawPointer(choices),
                into: sums)
        } else {
            layer.values.mix(run, head: head, weights: weights, rows: rows, stride: stride, into: sums)
        }
    }

    /// Turns scores of positions `start..<end` into exp(score - maximum) and returns their sum.
    ///
    /// Zero before `first`, and beyond `limit` up to the end of the last page. `scores` is the address of the score at
    /// `start`.
    func exponentiate(
        _ scores: UnsafeMutablePointer<Float>, from start: Int, to end: Int, first: Int, limit: Int, maximum: Float
    ) -> Float {
        let padded = PageGeometry.pages(forTokens: end - start) * PageGeometry.tokens
        let hidden = min(max(first - start, 0), padded)
        let visible = max(min(end, limit) - start, hidden)
        scores.update(repeating: 0, count: hidden)
        (scores + visible).update(repeating: 0, count: padded - visible)
        return visible > hidden ? softmax.pointee.exp_sum(scores + hidden, visible - hidden, maximum) : 0
    }

    /// Writes one row's output: the sums over the total of its weights.
    ///
    /// - Parameter exact: the sums of the f16 copies, if the layer's values have a window: the codec's own may be in another
    ///   basis.
    func write(
        _ tile: AttentionTile, head: Int, row: Int, sums: UnsafePointer<Float>, exact: UnsafePointer<Float>?,
        total: Float
    ) {
        let target = address(of: row, head: head, tile, in: output)
        let inverse = 1 / total
        // Adding zero turns -0 into 0: how many ranges were added up must not show in a sign.
        for channel in 0..<heads.headSize { target[channel] = (sums[channel] + 0) * inverse }
        layer.values.restore(target)
        guard let exact else { return }
        for channel in 0..<heads.headSize { target[channel] += (exact[channel] + 0) * inverse }
    }
}

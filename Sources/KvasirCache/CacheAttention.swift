internal import CKvasir
internal import KvasirCodecs
public import KvasirNumerics

/// The new tokens of one sequence in a step: they attend to everything the sequence has stored, themselves included.
public struct AttentionSegment {
    /// The sequence; the new tokens are stored in the layer at hand but not yet counted.
    public let sequence: CacheSequence
    /// Where the sequence's rows start among the rows of the step.
    public let firstRow: Int
    /// New tokens.
    public let tokens: Int

    /// Creates a segment.
    public init(sequence: CacheSequence, firstRow: Int, tokens: Int) {
        self.sequence = sequence
        self.firstRow = firstRow
        self.tokens = tokens
    }
}

/// Causal attention on packed pages, in two phases: scores of the whole row, softmax, then the mix of the values.
///
/// The only way from a query to an output, in prefill and in decode. A row's context is cut into ranges of `rangeTokens`
/// at absolute positions; a range's sums are added up in order. Work is shared out in whole rows where there are enough
/// of them and in single ranges where there are not: the arithmetic is the same, so a token's output is the same bit for
/// bit however the prompt was cut and whatever ran beside it.
///
/// Memory beyond the pages: the scores of the rows at hand, never a decoded key or value.
public final class CacheAttention {
    /// Tokens whose partial sums belong together.
    static let rangeTokens = 8 * PageGeometry.tokens
    /// Scores a thread holds at a time when it works on whole rows, in values: half of a common second-level cache.
    private static let scoresPerWorker = 128 * 1024
    /// Items a thread gets when ranges are shared out, where there are enough.
    private static let itemsPerThread = 8
    /// Query tokens that share an unpacked tile at most.
    private static let longestTile = 32

    private let plan: CachePlan
    private let threads: ThreadPool
    private let softmax: UnsafePointer<kv_ops_kernels>

    private var tiles: [Tile] = []
    private var queries = AlignedBuffer<UInt8>(zeroed: 0)
    /// Of layers with a window: the queries as its codec takes them, and one page of scores or weights.
    private var exactQueries = AlignedBuffer<UInt8>(zeroed: 0)
    private var exactScores = AlignedBuffer<Float>(zeroed: 0)
    private var scores = AlignedBuffer<Float>(zeroed: 0)
    private var sums = AlignedBuffer<Float>(zeroed: 0)
    private var maxima = AlignedBuffer<Float>(zeroed: 0)
    private var totals = AlignedBuffer<Float>(zeroed: 0)

    /// Creates the attention of a plan.
    public init(plan: CachePlan, instructionSet: InstructionSet, threads: ThreadPool) {
        self.plan = plan
        self.threads = threads
        softmax = kv_ops_kernels_for(kv_isa(rawValue: instructionSet.code))
    }

    /// Channels of a head.
    public var headSize: Int { plan.shape.heads.headSize }

    /// Bytes of the work buffers.
    public var workBytes: Int {
        queries.byteCount + exactQueries.byteCount + scores.byteCount + exactScores.byteCount + sums.byteCount
            + maxima.byteCount + totals.byteCount
    }

    /// Computes the attention outputs of one layer for all segments of a step.
    ///
    /// - Parameters:
    ///   - layer: index of the layer.
    ///   - queries: tokens x (query heads x head size), after rotary embedding.
    ///   - factor: what scores are multiplied by, 1/sqrt(head size) as a rule.
    ///   - segments: the sequences of the step.
    ///   - output: the same shape as the queries.
    public func attend(
        layer: Int, queries: FloatMatrix, factor: Float, segments: [AttentionSegment], output: FloatMatrix
    ) {
        let step = Step(
            layer: plan.layers[layer], shape: plan.shape, softmax: softmax, queries: queries, output: output)
        makeTiles(segments)
        if tiles.count * plan.shape.heads.kvHeads >= 2 * threads.threadCount {
            attendWholeRows(step, factor: factor)
        } else {
            for tile in tiles { attendRanges(step, tile, factor: factor) }
        }
        tiles.removeAll(keepingCapacity: true)
    }

    /// Cuts the segments into tiles of query tokens whose scores a thread can hold.
    private func makeTiles(_ segments: [AttentionSegment]) {
        for segment in segments where segment.tokens > 0 {
            let context = segment.sequence.count + segment.tokens
            precondition(context <= segment.sequence.capacity, "the new tokens were not stored")
            let rowScores = PageGeometry.pages(forTokens: context) * PageGeometry.tokens * plan.shape.groupSize
            let length = min(max(Self.scoresPerWorker / rowScores, 1), Self.longestTile)
            for first in stride(from: 0, to: segment.tokens, by: length) {
                tiles.append(
                    Tile(
                        sequence: segment.sequence, firstRow: segment.firstRow + first,
                        tokens: min(length, segment.tokens - first), position: segment.sequence.count + first))
            }
        }
    }

    // MARK: Whole rows

    private func attendWholeRows(_ step: Step, factor: Float) {
        let group = plan.shape.groupSize
        // The longest tile and the one with the longest context are different ones where sequences of different lengths
        // run side by side, so the scores of a tile are not bounded by the product of the two maxima but by their own.
        var rows = 0
        var rowScores = 0
        for tile in tiles {
            rows = max(rows, tile.tokens * group)
            rowScores = max(rowScores, tile.tokens * group * tile.paddedContext)
        }
        queries.reserve(threads.threadCount * rows * step.layer.keys.queryBytes)
        scores.reserve(threads.threadCount * rowScores)
        sums.reserve(threads.threadCount * rows * plan.shape.heads.headSize * (step.layer.exactValues == nil ? 2 : 3))
        totals.reserve(threads.threadCount * rows)
        let window = reserveWindow(step, rows: rows, preparations: threads.threadCount)
        tiles.withUnsafeBufferPointer { tiles in
            guard let base = tiles.baseAddress else { return }
            let work = WholeRows(
                step: step, tiles: base, factor: factor, rows: rows, rowScores: rowScores, queries: queries.pointer,
                scores: scores.pointer, sums: sums.pointer, totals: totals.pointer, window: window)
            threads.run(tiles.count * plan.shape.heads.kvHeads, work)
        }
    }

    // MARK: Ranges

    private func attendRanges(_ step: Step, _ tile: Tile, factor: Float) {
        let kvHeads = plan.shape.heads.kvHeads
        let rows = tile.tokens * plan.shape.groupSize
        let ranges = (tile.context + Self.rangeTokens - 1) / Self.rangeTokens
        queries.reserve(kvHeads * rows * step.layer.keys.queryBytes)
        scores.reserve(kvHeads * rows * tile.paddedContext)
        sums.reserve(kvHeads * ranges * rows * plan.shape.heads.headSize * (step.layer.exactValues == nil ? 1 : 2))
        maxima.reserve(kvHeads * ranges * rows)
        totals.reserve(kvHeads * ranges * rows)
        // Several ranges to an item, so that what is read ahead is mostly used by the thread that asked for it; few enough
        // that a thread which loses its processor holds up a small part.
        let rangesPerItem = max(kvHeads * ranges / (Self.itemsPerThread * threads.threadCount), 1)
        let items = kvHeads * ((ranges + rangesPerItem - 1) / rangesPerItem)
        let work = RangeWork(
            step: step, tile: tile, rows: rows, ranges: ranges, rangesPerItem: rangesPerItem, queries: queries.pointer,
            scores: scores.pointer, sums: sums.pointer, maxima: maxima.pointer, totals: totals.pointer,
            window: reserveWindow(step, rows: rows, preparations: kvHeads))
        for head in 0..<kvHeads {
            step.prepare(
                tile, head: head, factor: factor, into: work.queries(of: head), work.window.queries(of: head))
        }
        threads.run(items, ScoreRanges(work: work))
        for head in 0..<kvHeads { work.joinMaxima(head: head) }
        threads.run(items, MixRanges(work: work))
        for head in 0..<kvHeads { work.finish(head: head) }
    }

    /// Makes room for what a window needs, nothing for a layer without one.
    ///
    /// - Parameter preparations: how many times `rows` queries are prepared side by side.
    private func reserveWindow(_ step: Step, rows: Int, preparations: Int) -> WindowBuffers {
        let queryBytes = rows * (step.layer.exactKeys?.codec.queryBytes ?? 0)
        let isWindowed = step.layer.exactKeys != nil || step.layer.exactValues != nil
        let scoreCount = isWindowed ? rows * PageGeometry.tokens : 0
        exactQueries.reserve(preparations * queryBytes)
        exactScores.reserve(threads.threadCount * scoreCount)
        return WindowBuffers(
            queries: exactQueries.pointer, queryBytes: queryBytes, page: exactScores.pointer, pageCount: scoreCount)
    }
}

/// Consecutive query tokens of one sequence.
struct Tile {
    unowned(unsafe) let sequence: CacheSequence
    /// The first token's row in the step.
    let firstRow: Int
    let tokens: Int
    /// The first token's position in the sequence.
    let position: Int

    /// Tokens the last query token attends to.
    var context: Int { position + tokens }
    /// Where the range of `start` ends.
    func endOfRange(from start: Int) -> Int {
        min((start / CacheAttention.rangeTokens + 1) * CacheAttention.rangeTokens, context)
    }
    var paddedContext: Int { PageGeometry.pages(forTokens: context) * PageGeometry.tokens }

    /// Tokens that row `row` of a KV head attends to; rows are query tokens, and within one the heads of the group.
    func limit(row: Int, group: Int) -> Int { position + row / group + 1 }
}

/// What every item of a step shares.
struct Step {
    let layer: CachePlan.Layer
    let shape: CacheShape
    let softmax: UnsafePointer<kv_ops_kernels>
    let queries: FloatMatrix
    let output: FloatMatrix

    /// Where row `row` of a KV head starts in a matrix of tokens x (query heads x head size).
    func address(of row: Int, head: Int, _ tile: Tile, in matrix: FloatMatrix) -> UnsafeMutablePointer<Float> {
        let (token, member) = row.quotientAndRemainder(dividingBy: shape.groupSize)
        return matrix.row(tile.firstRow + token) + (head * shape.groupSize + member) * shape.heads.headSize
    }

    /// The first token that the row attends to; those before lie outside the layer's sliding window.
    func firstToken(row: Int, _ tile: Tile) -> Int { firstToken(at: tile.position + row / shape.groupSize) }

    /// The start of the first page that any row of the tile attends to.
    func start(of tile: Tile) -> Int { firstToken(at: tile.position) / PageGeometry.tokens * PageGeometry.tokens }

    private func firstToken(at position: Int) -> Int { max(position + 1 - (layer.slidingWindow ?? .max), 0) }

    /// Prepares the queries of a tile; those for the window only where the layer has one.
    func prepare(
        _ tile: Tile, head: Int, factor: Float, into prepared: UnsafeMutablePointer<UInt8>,
        _ exact: UnsafeMutablePointer<UInt8>
    ) {
        let rows = tile.tokens * shape.groupSize
        func prepare(_ codec: any KeyCodec, into prepared: UnsafeMutablePointer<UInt8>) {
            for row in 0..<rows {
                codec.prepare(
                    query: address(of: row, head: head, tile, in: queries), row: row, of: rows, head: head,
                    factor: factor, into: UnsafeMutableRawPointer(prepared))
            }
        }
        prepare(layer.keys, into: prepared)
        if let codec = layer.exactKeys?.codec { prepare(codec, into: exact) }
    }

    func run(_ tile: Tile, offset: Int, from start: Int, to end: Int) -> TokenRun {
        let pages = tile.sequence.withPages(of: layer) { $0.baseAddress }
        guard let pages else { preconditionFailure("a sequence with tokens has pages") }
        return TokenRun(
            pages: pages + start / PageGeometry.tokens, offset: offset, position: start, tokens: end - start,
            following: PageGeometry.pages(forTokens: tile.context) - PageGeometry.pages(forTokens: end))
    }

    /// Scores positions `start..<end`: packed keys, and in their place f16 copies for the rows that read those.
    func score(
        _ tile: Tile, head: Int, from start: Int, to end: Int, queries: UnsafePointer<UInt8>,
        into scores: UnsafeMutablePointer<Float>, stride: Int, window: WindowBuffers.Share
    ) {
        if let exact = layer.exactKeys {
            scoreWindowed(
                tile, head: head, from: start, to: end, queries: queries, into: scores, stride: stride, exact: exact,
                window: window)
            return
        }
        layer.keys.score(
            run(tile, offset: layer.keyOffset, from: start, to: end), head: head, queries: queries,
            rows: tile.tokens * shape.groupSize, into: scores, stride: stride)
    }

    /// Sums up packed values by their weights; where the layer has a window, `mixWindow` comes first and takes the weights
    /// of the copies away.
    func mix(
        _ tile: Tile, head: Int, from start: Int, to end: Int, weights: UnsafePointer<Float>, stride: Int,
        into sums: UnsafeMutablePointer<Float>
    ) {
        let rows = tile.tokens * shape.groupSize
        sums.update(repeating: 0, count: rows * shape.heads.headSize)
        if let exact = layer.exactValues {
            let packed = exact.tokens.packed(in: start..<end, tile)
            guard !packed.isEmpty else { return }
            layer.values.mix(
                run(tile, offset: layer.valueOffset, from: packed.lowerBound, to: packed.upperBound), head: head,
                weights: weights + (packed.lowerBound - start), rows: rows, stride: stride, into: sums)
            return
        }
        layer.values.mix(
            run(tile, offset: layer.valueOffset, from: start, to: end), head: head, weights: weights, rows: rows,
            stride: stride, into: sums)
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
        _ tile: Tile, head: Int, row: Int, sums: UnsafePointer<Float>, exact: UnsafePointer<Float>?, total: Float
    ) {
        let target = address(of: row, head: head, tile, in: output)
        let inverse = 1 / total
        // Adding zero turns -0 into 0: how many ranges were added up must not show in a sign.
        for channel in 0..<shape.heads.headSize { target[channel] = (sums[channel] + 0) * inverse }
        layer.values.restore(target)
        guard let exact else { return }
        for channel in 0..<shape.heads.headSize { target[channel] += (exact[channel] + 0) * inverse }
    }
}

/// One item: all rows of a tile for one KV head, over the whole context.
private struct WholeRows: ParallelWork {
    let step: Step
    let tiles: UnsafePointer<Tile>
    let factor: Float
    /// The most rows, and the most scores, of any tile: what a worker's share of the buffers is cut by.
    let rows: Int
    let rowScores: Int
    let queries: UnsafeMutablePointer<UInt8>
    let scores: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Float>
    let totals: UnsafeMutablePointer<Float>
    let window: WindowBuffers

    func perform(item: Int, worker: Int) {
        let (index, head) = item.quotientAndRemainder(dividingBy: step.shape.heads.kvHeads)
        let tile = tiles[index]
        let group = step.shape.groupSize
        let size = step.shape.heads.headSize
        let rowCount = tile.tokens * group
        let stride = tile.paddedContext
        let queries = queries + worker * rows * step.layer.keys.queryBytes
        let scores = scores + worker * rowScores
        let hasWindow = step.layer.exactValues != nil
        let sums = sums + worker * rows * size * (hasWindow ? 3 : 2)
        let partial = sums + rows * size
        let exactSums = hasWindow ? partial + rows * size : nil
        let totals = totals + worker * rows
        let window = window.share(preparation: worker, worker: worker)

        step.prepare(tile, head: head, factor: factor, into: queries, window.queries)
        let begin = step.start(of: tile)
        step.score(
            tile, head: head, from: begin, to: tile.context, queries: queries, into: scores + begin, stride: stride,
            window: window)
        sums.update(repeating: 0, count: rowCount * size)
        exactSums?.update(repeating: 0, count: rowCount * size)
        totals.update(repeating: 0, count: rowCount)
        for row in 0..<rowCount {
            let first = step.firstToken(row: row, tile)
            let limit = tile.limit(row: row, group: group)
            let maximum = step.softmax.pointee.max(scores + row * stride + first, limit - first)
            var start = begin
            while start < tile.context {
                let end = tile.endOfRange(from: start)
                totals[row] += step.exponentiate(
                    scores + row * stride + start, from: start, to: end, first: first, limit: limit, maximum: maximum)
                start = end
            }
        }
        var start = begin
        while start < tile.context {
            let end = tile.endOfRange(from: start)
            defer { start = end }
            if let exactSums {
                step.mixWindow(
                    tile, head: head, from: start, to: end, weights: scores + start, stride: stride, into: partial,
                    page: window.page)
                for index in 0..<rowCount * size { exactSums[index] += partial[index] }
            }
            step.mix(tile, head: head, from: start, to: end, weights: scores + start, stride: stride, into: partial)
            for index in 0..<rowCount * size { sums[index] += partial[index] }
        }
        for row in 0..<rowCount {
            step.write(
                tile, head: head, row: row, sums: sums + row * size, exact: exactSums.map { $0 + row * size },
                total: totals[row])
        }
    }
}

/// The buffers of a tile whose ranges are shared out: [KV head][range][row] and, for the scores, [KV head][row][position].
private struct RangeWork {
    let step: Step
    let tile: Tile
    let rows: Int
    let ranges: Int
    let rangesPerItem: Int
    let queries: UnsafeMutablePointer<UInt8>
    let scores: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Float>
    let maxima: UnsafeMutablePointer<Float>
    let totals: UnsafeMutablePointer<Float>
    let window: WindowBuffers

    func queries(of head: Int) -> UnsafeMutablePointer<UInt8> {
        queries + head * rows * step.layer.keys.queryBytes
    }

    func scores(of head: Int) -> UnsafeMutablePointer<Float> { scores + head * rows * tile.paddedContext }

    /// The KV head and the ranges of an item.
    func share(of item: Int) -> (head: Int, ranges: Range<Int>) {
        let itemsPerHead = (ranges + rangesPerItem - 1) / rangesPerItem
        let (head, index) = item.quotientAndRemainder(dividingBy: itemsPerHead)
        return (head, index * rangesPerItem..<min((index + 1) * rangesPerItem, ranges))
    }

    /// The tokens of a range that some row attends to; none if it lies before the layer's sliding window.
    func bounds(_ range: Int) -> (start: Int, end: Int) {
        let start = range * CacheAttention.rangeTokens
        let end = tile.endOfRange(from: start)
        return (min(max(start, step.start(of: tile)), end), end)
    }

    /// The sums of the f16 copies: they lie behind those of the packed values; nil if the layer's values have no window.
    var exactSums: UnsafeMutablePointer<Float>? {
        guard step.layer.exactValues != nil else { return nil }
        return sums + step.shape.heads.kvHeads * ranges * rows * step.shape.heads.headSize
    }

    func score(head: Int, range: Int, worker: Int) {
        let (start, end) = bounds(range)
        guard start < end else {
            (maxima + (head * ranges + range) * rows).update(repeating: -.infinity, count: rows)
            return
        }
        let scores = scores(of: head) + start
        step.score(
            tile, head: head, from: start, to: end, queries: queries(of: head), into: scores,
            stride: tile.paddedContext, window: window.share(preparation: head, worker: worker))
        for row in 0..<rows {
            let first = max(step.firstToken(row: row, tile), start)
            let visible = min(end, tile.limit(row: row, group: step.shape.groupSize)) - first
            maxima[(head * ranges + range) * rows + row] =
                visible > 0
                ? step.softmax.pointee.max(scores + row * tile.paddedContext + first - start, visible) : -.infinity
        }
    }

    /// Leaves the maximum of every row's whole context in the place of its first range.
    func joinMaxima(head: Int) {
        let first = maxima + head * ranges * rows
        for range in 1..<max(ranges, 1) {
            for row in 0..<rows { first[row] = max(first[row], first[range * rows + row]) }
        }
    }

    func mix(head: Int, range: Int, worker: Int) {
        let (start, end) = bounds(range)
        let place = (head * ranges + range) * rows
        guard start < end else {
            let count = rows * step.shape.heads.headSize
            (totals + place).update(repeating: 0, count: rows)
            (sums + place * step.shape.heads.headSize).update(repeating: 0, count: count)
            exactSums.map { ($0 + place * step.shape.heads.headSize).update(repeating: 0, count: count) }
            return
        }
        let scores = scores(of: head) + start
        for row in 0..<rows {
            let maximum = maxima[head * ranges * rows + row]
            totals[place + row] = step.exponentiate(
                scores + row * tile.paddedContext, from: start, to: end, first: step.firstToken(row: row, tile),
                limit: tile.limit(row: row, group: step.shape.groupSize), maximum: maximum)
        }
        if let exactSums {
            step.mixWindow(
                tile, head: head, from: start, to: end, weights: scores, stride: tile.paddedContext,
                into: exactSums + place * step.shape.heads.headSize,
                page: window.share(preparation: head, worker: worker).page)
        }
        step.mix(
            tile, head: head, from: start, to: end, weights: scores, stride: tile.paddedContext,
            into: sums + place * step.shape.heads.headSize)
    }

    /// Adds up the ranges in order and writes the outputs of one KV head.
    func finish(head: Int) {
        let size = step.shape.heads.headSize
        for row in 0..<rows {
            let place = (head * ranges * rows + row) * size
            var total: Float = 0
            for range in 0..<ranges { total += totals[(head * ranges + range) * rows + row] }
            addRanges(sums + place)
            let exact = exactSums.map { $0 + place }
            if let exact { addRanges(exact) }
            step.write(tile, head: head, row: row, sums: sums + place, exact: exact, total: total)
        }
    }

    /// Adds the sums of one row's other ranges to those of its first.
    private func addRanges(_ first: UnsafeMutablePointer<Float>) {
        let size = step.shape.heads.headSize
        for range in 1..<max(ranges, 1) {
            let partial = first + range * rows * size
            for channel in 0..<size { first[channel] += partial[channel] }
        }
    }
}

/// Consecutive ranges of one KV head.
private struct ScoreRanges: ParallelWork {
    let work: RangeWork
    func perform(item: Int, worker: Int) {
        let (head, ranges) = work.share(of: item)
        for range in ranges { work.score(head: head, range: range, worker: worker) }
    }
}

private struct MixRanges: ParallelWork {
    let work: RangeWork
    func perform(item: Int, worker: Int) {
        let (head, ranges) = work.share(of: item)
        for range in ranges { work.mix(head: head, range: range, worker: worker) }
    }
}

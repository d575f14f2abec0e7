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
    /// New tokens before these, which are stored but not counted either.
    let storedBefore: Int

    /// Creates a segment.
    public init(sequence: CacheSequence, firstRow: Int, tokens: Int) {
        self.init(sequence: sequence, firstRow: firstRow, tokens: tokens, storedBefore: 0)
    }

    init(sequence: CacheSequence, firstRow: Int, tokens: Int, storedBefore: Int) {
        self.sequence = sequence
        self.firstRow = firstRow
        self.tokens = tokens
        self.storedBefore = storedBefore
    }

    /// The first token's position in the sequence.
    var position: Int { sequence.count + storedBefore }

    /// Tokens the last one attends to.
    var context: Int { position + tokens }
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
    let threads: ThreadPool
    private let softmax: UnsafePointer<kv_ops_kernels>

    private var places: [StorePlace] = []
    private var tiles: [AttentionTile] = []
    private var queries = AlignedBuffer<UInt8>(zeroed: 0)
    /// Of layers with a window: the queries as its codec takes them, and one page of scores or weights.
    private var exactQueries = AlignedBuffer<UInt8>(zeroed: 0)
    private var exactScores = AlignedBuffer<Float>(zeroed: 0)
    private var scores = AlignedBuffer<Float>(zeroed: 0)
    /// Weights of rows that are handed back, of layers with a window.
    private var keptWeights = AlignedBuffer<Float>(zeroed: 0)
    private var sums = AlignedBuffer<Float>(zeroed: 0)
    private var maxima = AlignedBuffer<Float>(zeroed: 0)
    private var totals = AlignedBuffer<Float>(zeroed: 0)
    /// Of layers whose values are read selectively.
    private var choices = AlignedBuffer<UInt8>(zeroed: 0)

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
            + maxima.byteCount + totals.byteCount + choices.byteCount + keptWeights.byteCount
    }

    /// Stores keys and values of a step in one layer of all its sequences: the pages are shared out among the threads.
    ///
    /// - Parameters:
    ///   - layer: index of the layer.
    ///   - keys: tokens x width, after rotary embedding; `CacheSequence.reserve` has made room for them.
    ///   - values: tokens x width.
    ///   - segments: the sequences of the step.
    public func store(layer: Int, keys: FloatMatrix, values: FloatMatrix, segments: [AttentionSegment]) {
        for segment in segments {
            segment.sequence.addPlaces(ofTokens: segment.tokens, firstRow: segment.firstRow, to: &places)
        }
        places.withUnsafeBufferPointer {
            StoreWork(layer: plan.layers[layer], keys: keys, values: values, places: $0).run(on: threads)
        }
        places.removeAll(keepingCapacity: true)
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
        let layer = plan.layers[layer]
        let step = AttentionStep(
            layer: layer, shape: plan.shape, softmax: softmax, queries: queries, output: output)
        if layer.isAdaptive {
            attendInPieces(step, factor: factor, segments: segments)
        } else {
            attendTogether(step, factor: factor, segments: segments)
        }
    }

    /// Computes the outputs of segments that all read the cache as it is.
    func attendTogether(_ step: AttentionStep, factor: Float, segments: [AttentionSegment]) {
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
            let context = segment.context
            precondition(context <= segment.sequence.capacity, "the new tokens were not stored")
            let rowScores = PageGeometry.pages(forTokens: context) * PageGeometry.tokens * plan.shape.groupSize
            let length = min(max(Self.scoresPerWorker / rowScores, 1), Self.longestTile)
            for first in stride(from: 0, to: segment.tokens, by: length) {
                tiles.append(
                    AttentionTile(
                        sequence: segment.sequence, firstRow: segment.firstRow + first,
                        tokens: min(length, segment.tokens - first), position: segment.position + first))
            }
        }
    }

    // MARK: Whole rows

    private func attendWholeRows(_ step: AttentionStep, factor: Float) {
        let group = plan.shape.groupSize
        // The longest tile and the one with the longest context are different ones where sequences of different lengths
        // run side by side, so the scores of a tile are not bounded by the product of the two maxima but by their own.
        var rows = 0
        var rowScores = 0
        for tile in tiles {
            rows = max(rows, tile.tokens * group)
            rowScores = max(rowScores, tile.tokens * group * tile.paddedContext)
        }
        queries.reserve(threads.threadCount * rows * step.queryBytes)
        scores.reserve(threads.threadCount * rowScores)
        sums.reserve(threads.threadCount * rows * plan.shape.heads.headSize * (step.hasExactValues ? 3 : 2))
        totals.reserve(threads.threadCount * rows)
        choices.reserve(threads.threadCount * rows * step.choiceBytes)
        let window = reserveWindow(step, rows: rows, preparations: threads.threadCount)
        tiles.withUnsafeBufferPointer { tiles in
            guard let base = tiles.baseAddress else { return }
            let work = WholeRows(
                step: step, tiles: base, factor: factor, rows: rows, rowScores: rowScores, queries: queries.pointer,
                scores: scores.pointer, sums: sums.pointer, totals: totals.pointer,
                choices: choices.pointer, window: window)
            threads.run(tiles.count * plan.shape.heads.kvHeads, work)
        }
    }

    // MARK: Ranges

    private func attendRanges(_ step: AttentionStep, _ tile: AttentionTile, factor: Float) {
        let kvHeads = plan.shape.heads.kvHeads
        let rows = tile.tokens * plan.shape.groupSize
        let ranges = (tile.context + Self.rangeTokens - 1) / Self.rangeTokens
        queries.reserve(kvHeads * rows * step.queryBytes)
        scores.reserve(kvHeads * rows * tile.paddedContext)
        sums.reserve(kvHeads * ranges * rows * plan.shape.heads.headSize * (step.hasExactValues ? 2 : 1))
        maxima.reserve(kvHeads * ranges * rows)
        totals.reserve(kvHeads * ranges * rows)
        choices.reserve(kvHeads * rows * step.choiceBytes)
        let keepsWeights = step.hasExactValues && step.notesWeights(of: tile)
        if keepsWeights { keptWeights.reserve(kvHeads * rows * tile.paddedContext) }
        // Several ranges to an item, so that what is read ahead is mostly used by the thread that asked for it; few enough
        // that a thread which loses its processor holds up a small part.
        let rangesPerItem = max(kvHeads * ranges / (Self.itemsPerThread * threads.threadCount), 1)
        let items = kvHeads * ((ranges + rangesPerItem - 1) / rangesPerItem)
        let work = RangeWork(
            step: step, tile: tile, rows: rows, ranges: ranges, rangesPerItem: rangesPerItem, queries: queries.pointer,
            scores: scores.pointer, sums: sums.pointer, maxima: maxima.pointer, totals: totals.pointer,
            choices: choices.pointer, window: reserveWindow(step, rows: rows, preparations: kvHeads),
            weights: keepsWeights ? keptWeights.pointer : scores.pointer)
        for head in 0..<kvHeads {
            step.prepare(
                tile, head: head, factor: factor, into: work.queries(of: head), work.window.queries(of: head))
        }
        threads.run(items, ScoreRanges(work: work))
        for head in 0..<kvHeads { work.joinMaxima(head: head) }
        if !step.choosesValues {
            threads.run(items, MixRanges(work: work))
        } else {
            threads.run(items, ExponentiateRanges(work: work))
            threads.run(kvHeads, ChooseValues(work: work))
            threads.run(items, MixWeightedRanges(work: work))
        }
        for head in 0..<kvHeads { work.finish(head: head) }
    }

    /// Makes room for what a window needs, nothing for a layer without one.
    ///
    /// - Parameter preparations: how many times `rows` queries are prepared side by side.
    private func reserveWindow(_ step: AttentionStep, rows: Int, preparations: Int) -> WindowBuffers {
        let queryBytes = rows * (step.layer.exactKeys?.codec.queryBytes ?? 0)
        let isWindowed = step.hasExactKeys || step.hasExactValues
        let scoreCount = isWindowed ? rows * PageGeometry.tokens : 0
        exactQueries.reserve(preparations * queryBytes)
        exactScores.reserve(threads.threadCount * scoreCount)
        return WindowBuffers(
            queries: exactQueries.pointer, queryBytes: queryBytes, page: exactScores.pointer, pageCount: scoreCount)
    }
}

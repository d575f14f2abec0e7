internal import CKvasir
internal import KvasirCodecs
internal import KvasirNumerics

/// The buffers of a tile whose ranges are shared out: [KV head][range][row] and, for the scores, [KV head][row][position].
struct RangeWork {
    let step: AttentionStep
    let tile: AttentionTile
    let rows: Int
    let ranges: Int
    let rangesPerItem: Int
    let queries: UnsafeMutablePointer<UInt8>
    let scores: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Float>
    let maxima: UnsafeMutablePointer<Float>
    let totals: UnsafeMutablePointer<Float>
    /// Of selective values, [KV head][row]: what is read.
    let choices: UnsafeMutablePointer<UInt8>
    let window: WindowBuffers
    /// The weights as they were before those of f16 copies were taken out, where rows are handed back; else the scores.
    let weights: UnsafeMutablePointer<Float>

    func queries(of head: Int) -> UnsafeMutablePointer<UInt8> {
        queries + head * rows * step.queryBytes
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
        guard step.hasExactValues else { return nil }
        return sums + step.heads.kvHeads * ranges * rows * step.heads.headSize
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
            let visible = min(end, tile.limit(row: row, group: step.groupSize)) - first
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

    private func choices(of head: Int) -> UnsafeMutablePointer<UInt8> {
        choices + head * rows * step.choiceBytes
    }

    /// Turns the scores of a range into weights.
    func exponentiate(head: Int, range: Int) {
        let (start, end) = bounds(range)
        let place = (head * ranges + range) * rows
        guard start < end else {
            (totals + place).update(repeating: 0, count: rows)
            return
        }
        let scores = scores(of: head) + start
        for row in 0..<rows {
            let maximum = maxima[head * ranges * rows + row]
            totals[place + row] = step.exponentiate(
                scores + row * tile.paddedContext, from: start, to: end, first: step.firstToken(row: row, tile),
                limit: tile.limit(row: row, group: step.groupSize), maximum: maximum)
        }
    }

    /// Chooses what of the values of one KV head is read, once all its weights are there.
    func choose(head: Int) {
        // The maxima have done their work: the totals over all ranges take their place.
        let joined = maxima + head * ranges * rows
        for row in 0..<rows { joined[row] = total(head: head, row: row) }
        step.choose(
            tile, head: head, weights: scores(of: head), stride: tile.paddedContext, totals: joined,
            into: choices(of: head))
    }

    /// The sum of a row's weights: the ranges in order.
    private func total(head: Int, row: Int) -> Float {
        var total: Float = 0
        for range in 0..<ranges { total += totals[(head * ranges + range) * rows + row] }
        return total
    }

    /// Sums up the values of a range, whose weights `exponentiate` has left.
    func mix(head: Int, range: Int, worker: Int) {
        let (start, end) = bounds(range)
        let place = (head * ranges + range) * rows
        guard start < end else {
            let count = rows * step.heads.headSize
            (sums + place * step.heads.headSize).update(repeating: 0, count: count)
            exactSums.map { ($0 + place * step.heads.headSize).update(repeating: 0, count: count) }
            return
        }
        let scores = scores(of: head) + start
        if weights != self.scores {
            let kept = weights + head * rows * tile.paddedContext + start
            for row in 0..<rows {
                (kept + row * tile.paddedContext).update(from: scores + row * tile.paddedContext, count: end - start)
            }
        }
        if let exactSums {
            step.mixWindow(
                tile, head: head, from: start, to: end, weights: scores, stride: tile.paddedContext,
                into: exactSums + place * step.heads.headSize,
                page: window.share(preparation: head, worker: worker).page)
        }
        step.mix(
            tile, head: head, from: start, to: end, weights: scores, stride: tile.paddedContext,
            choices: choices(of: head), into: sums + place * step.heads.headSize)
    }

    /// Adds up the ranges in order and writes the outputs of one KV head.
    func finish(head: Int) {
        let size = step.heads.headSize
        for row in 0..<rows {
            let place = (head * ranges * rows + row) * size
            step.noteWeights(
                tile, head: head, row: row, weights: weights + (head * rows + row) * tile.paddedContext,
                total: total(head: head, row: row))
            addRanges(sums + place)
            let exact = exactSums.map { $0 + place }
            if let exact { addRanges(exact) }
            step.write(tile, head: head, row: row, sums: sums + place, exact: exact, total: total(head: head, row: row))
        }
    }

    /// Adds the sums of one row's other ranges to those of its first.
    private func addRanges(_ first: UnsafeMutablePointer<Float>) {
        let size = step.heads.headSize
        for range in 1..<max(ranges, 1) {
            let partial = first + range * rows * size
            for channel in 0..<size { first[channel] += partial[channel] }
        }
    }
}

/// Consecutive ranges of one KV head.
struct ScoreRanges: ParallelWork {
    let work: RangeWork
    func perform(item: Int, worker: Int) {
        let (head, ranges) = work.share(of: item)
        for range in ranges { work.score(head: head, range: range, worker: worker) }
    }
}

/// Weights and sums of one range after the other: the weights are still in the cache when they are used.
struct MixRanges: ParallelWork {
    let work: RangeWork
    func perform(item: Int, worker: Int) {
        let (head, ranges) = work.share(of: item)
        for range in ranges {
            work.exponentiate(head: head, range: range)
            work.mix(head: head, range: range, worker: worker)
        }
    }
}

/// The three phases apart, for values whose reading depends on the weights of the whole context.
struct ExponentiateRanges: ParallelWork {
    let work: RangeWork
    func perform(item: Int, worker: Int) {
        let (head, ranges) = work.share(of: item)
        for range in ranges { work.exponentiate(head: head, range: range) }
    }
}

struct ChooseValues: ParallelWork {
    let work: RangeWork
    func perform(item: Int, worker: Int) { work.choose(head: item) }
}

struct MixWeightedRanges: ParallelWork {
    let work: RangeWork
    func perform(item: Int, worker: Int) {
        let (head, ranges) = work.share(of: item)
        for range in ranges { work.mix(head: head, range: range, worker: worker) }
    }
}

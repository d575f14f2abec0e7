internal import CKvasir
internal import KvasirCodecs
internal import KvasirNumerics

/// One item: all rows of a tile for one KV head, over the whole context.
struct WholeRows: ParallelWork {
    let step: AttentionStep
    let tiles: UnsafePointer<AttentionTile>
    let factor: Float
    /// The most rows, and the most scores, of any tile: what a worker's share of the buffers is cut by.
    let rows: Int
    let rowScores: Int
    let queries: UnsafeMutablePointer<UInt8>
    let scores: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Float>
    let totals: UnsafeMutablePointer<Float>
    /// Of selective values: for each worker's rows what is read.
    let choices: UnsafeMutablePointer<UInt8>
    let window: WindowBuffers

    func perform(item: Int, worker: Int) {
        let (index, head) = item.quotientAndRemainder(dividingBy: step.heads.kvHeads)
        let tile = tiles[index]
        let group = step.groupSize
        let size = step.heads.headSize
        let rowCount = tile.tokens * group
        let stride = tile.paddedContext
        let queries = queries + worker * rows * step.queryBytes
        let scores = scores + worker * rowScores
        let hasWindow = step.hasExactValues
        let sums = sums + worker * rows * size * (hasWindow ? 3 : 2)
        let partial = sums + rows * size
        let exactSums = hasWindow ? partial + rows * size : nil
        let totals = totals + worker * rows
        let choices = choices + worker * rows * step.choiceBytes
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
        step.choose(tile, head: head, weights: scores, stride: stride, totals: totals, into: choices)
        for row in 0..<rowCount {
            step.noteWeights(tile, head: head, row: row, weights: scores + row * stride, total: totals[row])
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
            step.mix(
                tile, head: head, from: start, to: end, weights: scores + start, stride: stride, choices: choices,
                into: partial)
            for index in 0..<rowCount * size { sums[index] += partial[index] }
        }
        for row in 0..<rowCount {
            step.write(
                tile, head: head, row: row, sums: sums + row * size, exact: exactSums.map { $0 + row * size },
                total: totals[row])
        }
    }
}

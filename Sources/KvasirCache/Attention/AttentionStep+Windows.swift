internal import KvasirCodecs

/// What attention needs besides where a layer has a window.
struct WindowBuffers {
    /// Queries as the codec of the copies takes them: `queryBytes` for each preparation.
    let queries: UnsafeMutablePointer<UInt8>
    let queryBytes: Int
    /// Scores or weights of one page: `pageCount` for each worker.
    let page: UnsafeMutablePointer<Float>
    let pageCount: Int

    /// One item's part of the buffers.
    struct Share {
        let queries: UnsafeMutablePointer<UInt8>
        /// Rows x tokens of a page.
        let page: UnsafeMutablePointer<Float>
    }

    func queries(of preparation: Int) -> UnsafeMutablePointer<UInt8> { queries + preparation * queryBytes }

    func share(preparation: Int, worker: Int) -> Share {
        Share(queries: queries(of: preparation), page: page + worker * pageCount)
    }
}

extension ExactTokens {
    /// Whole pages of `range` in which some row of a tile reads packed tokens.
    func packed(in range: Range<Int>, _ tile: AttentionTile) -> Range<Int> {
        let first = max(range.lowerBound, sinks / PageGeometry.tokens * PageGeometry.tokens)
        let end = min(start(at: tile.context - 1), tile.context)
        guard end > sinks else { return range.lowerBound..<range.lowerBound }
        let last = min(range.upperBound, PageGeometry.pages(forTokens: end) * PageGeometry.tokens)
        return first < last ? first..<last : range.lowerBound..<range.lowerBound
    }

    /// Calls `body` with the start of every page of `range` in which some row of a tile reads copies.
    ///
    /// The later rows of a tile read the copies of fewer tokens: what the first row reads is the most.
    func forEachPage(in range: Range<Int>, _ tile: AttentionTile, _ body: (Int) -> Void) {
        let tokens = PageGeometry.tokens
        let sinkEnd = min(range.upperBound, PageGeometry.pages(forTokens: sinks) * tokens)
        for page in stride(from: range.lowerBound, to: sinkEnd, by: tokens) { body(page) }
        // Without copies at the end there are no pages of them: not even of those whose tokens no row would read.
        guard longest > 0 else { return }
        let recent = max(range.lowerBound, sinkEnd, start(at: tile.position) / tokens * tokens)
        for page in stride(from: recent, to: range.upperBound, by: tokens) { body(page) }
    }

    /// The positions of a page, counted from its start, that a query reads from copies: the sinks, and those at the end.
    func offsets(inPage page: Int, at position: Int) -> (sinks: Range<Int>, recent: Range<Int>) {
        let tokens = PageGeometry.tokens
        let sinkEnd = min(max(sinks - page, 0), tokens)
        let end = min(max(position + 1 - page, 0), tokens)
        return (0..<sinkEnd, min(max(start(at: position) - page, sinkEnd), max(end, sinkEnd))..<max(end, sinkEnd))
    }
}

/// Scores and sums where every row reads some tokens packed and some as f16 copies.
///
/// Pages that all rows read in one way are handled as ever. In a page at the edge, rows of a tile differ: it is computed in
/// both ways, and every row takes what its own position says.
extension AttentionStep {
    private func run(_ tile: AttentionTile, window offset: Int, page: Int, to end: Int) -> TokenRun {
        guard let pages = tile.sequence.withWindowPages({ $0.baseAddress }) else {
            preconditionFailure("a sequence with a window has window pages")
        }
        return TokenRun(
            pages: pages + page / PageGeometry.tokens, offset: offset, position: page,
            tokens: min(end - page, PageGeometry.tokens))
    }

    func scoreWindowed(
        _ tile: AttentionTile, head: Int, from start: Int, to end: Int, queries: UnsafePointer<UInt8>,
        into scores: UnsafeMutablePointer<Float>, stride: Int, exact: CachePlan.ExactPart<any KeyCodec>,
        window: WindowBuffers.Share
    ) {
        let rows = tile.tokens * groupSize
        let packed = exact.tokens.packed(in: start..<end, tile)
        if !packed.isEmpty {
            layer.keys.score(
                run(tile, offset: layer.keyOffset, from: packed.lowerBound, to: packed.upperBound), head: head,
                queries: queries, rows: rows, into: scores + (packed.lowerBound - start), stride: stride)
        }
        exact.tokens.forEachPage(in: start..<end, tile) { page in
            let copies = run(tile, window: exact.offset, page: page, to: end)
            let scores = scores + (page - start)
            guard packed.contains(page) else {
                exact.codec.score(
                    copies, head: head, queries: window.queries, rows: rows, into: scores, stride: stride)
                return
            }
            exact.codec.score(
                copies, head: head, queries: window.queries, rows: rows, into: window.page,
                stride: PageGeometry.tokens)
            for row in 0..<rows {
                let source = window.page + row * PageGeometry.tokens
                let target = scores + row * stride
                let offsets = exact.tokens.offsets(inPage: page, at: tile.position + row / groupSize)
                func take(_ range: Range<Int>) {
                    (target + range.lowerBound).update(from: source + range.lowerBound, count: range.count)
                }
                take(offsets.sinks)
                take(offsets.recent)
            }
        }
    }

    /// Sums up the copies by their weights, and in pages at the edge sets those weights to zero: what is left is for the
    /// packed values.
    func mixWindow(
        _ tile: AttentionTile, head: Int, from start: Int, to end: Int, weights: UnsafeMutablePointer<Float>,
        stride: Int,
        into sums: UnsafeMutablePointer<Float>, page buffer: UnsafeMutablePointer<Float>
    ) {
        let rows = tile.tokens * groupSize
        sums.update(repeating: 0, count: rows * heads.headSize)
        guard let exact = layer.exactValues else { return }
        let packed = exact.tokens.packed(in: start..<end, tile)
        exact.tokens.forEachPage(in: start..<end, tile) { page in
            let copies = run(tile, window: exact.offset, page: page, to: end)
            let weights = weights + (page - start)
            guard packed.contains(page) else {
                exact.codec.mix(copies, head: head, weights: weights, rows: rows, stride: stride, into: sums)
                return
            }
            buffer.update(repeating: 0, count: rows * PageGeometry.tokens)
            for row in 0..<rows {
                let source = weights + row * stride
                let target = buffer + row * PageGeometry.tokens
                let offsets = exact.tokens.offsets(inPage: page, at: tile.position + row / groupSize)
                func move(_ range: Range<Int>) {
                    (target + range.lowerBound).update(from: source + range.lowerBound, count: range.count)
                    (source + range.lowerBound).update(repeating: 0, count: range.count)
                }
                move(offsets.sinks)
                move(offsets.recent)
            }
            exact.codec.mix(
                copies, head: head, weights: buffer, rows: rows, stride: PageGeometry.tokens, into: sums)
        }
    }
}

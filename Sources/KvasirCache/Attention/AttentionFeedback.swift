internal import KvasirCodecs
internal import KvasirNumerics

/// Attention in layers whose bits follow it.
///
/// A layer's bits change at multiples of `PageGeometry.tokens` tokens only, by what the last rows before them attended to.
/// So the tokens of a step are taken in pieces that end there: all rows of a piece read the same bits, whether they come in
/// one step or in many.
extension CacheAttention {
    func attendInPieces(_ step: AttentionStep, factor: Float, segments: [AttentionSegment]) {
        let tokens = PageGeometry.tokens
        // One token of each sequence, as a rule: no piece ends within.
        if segments.allSatisfy({ $0.sequence.count % tokens + $0.tokens <= tokens }) {
            attendPiece(step, factor: factor, segments)
            return
        }
        var done = [Int](repeating: 0, count: segments.count)
        while true {
            var pieces: [AttentionSegment] = []
            for (index, segment) in segments.enumerated() where done[index] < segment.tokens {
                let start = segment.sequence.count + done[index]
                let length = min(tokens - start % tokens, segment.tokens - done[index])
                pieces.append(
                    AttentionSegment(
                        sequence: segment.sequence, firstRow: segment.firstRow + done[index], tokens: length,
                        storedBefore: done[index]))
                done[index] += length
            }
            if pieces.isEmpty { return }
            attendPiece(step, factor: factor, pieces)
        }
    }

    private func attendPiece(_ step: AttentionStep, factor: Float, _ pieces: [AttentionSegment]) {
        for piece in pieces where piece.tokens > 0 {
            let end = PageGeometry.pages(forTokens: piece.context) * PageGeometry.tokens
            piece.sequence.adaptive?.feedback[step.layer.index]?.prepare(tokens: end)
        }
        attendTogether(step, factor: factor, segments: pieces)
        for piece in pieces where piece.tokens > 0 {
            piece.sequence.revise(layer: step.layer.index, context: piece.context, threads: threads)
        }
    }
}

/// Which rows of attention decisions about a layer's values depend on.
struct AttentionFeedback {
    private let window: Int
    private let headsPerUnit: Int

    /// nil for a layer whose values have as many bits whatever attention they get.
    init?(_ layer: CachePlan.Layer) {
        guard let part = layer.values.adaptive, part.followsAttention, part.isDecided else { return nil }
        window = part.window
        headsPerUnit = part.headsPerUnit
    }

    /// Whether the row of a query at `position` is one of the last before a decision.
    func wants(_ position: Int) -> Bool {
        position % PageGeometry.tokens >= PageGeometry.tokens - window
    }

    /// Hands a row back to its sequence: weights of the tokens from the first on, and their total.
    func note(
        _ tile: AttentionTile, layer: Int, head: Int, row: Int, group: Int, weights: UnsafePointer<Float>, total: Float
    ) {
        let position = tile.position + row / group
        guard wants(position) else { return }
        tile.sequence.adaptive?.feedback[layer]?.note(
            unit: head / headsPerUnit, weights: weights, count: position + 1, factor: 1 / total)
    }
}

extension AttentionStep {
    /// Hands a row's weights back, if a decision depends on them.
    func noteWeights(
        _ tile: AttentionTile, head: Int, row: Int, weights: UnsafePointer<Float>, total: Float
    ) {
        feedback?.note(
            tile, layer: layer.index, head: head, row: row, group: groupSize, weights: weights, total: total)
    }

    /// Whether some row of a tile is handed back.
    func notesWeights(of tile: AttentionTile) -> Bool {
        guard let feedback else { return false }
        return (tile.position..<tile.context).contains(where: feedback.wants)
    }
}

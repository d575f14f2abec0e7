internal import KvasirCodecs

/// Consecutive query tokens of one sequence.
struct AttentionTile {
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

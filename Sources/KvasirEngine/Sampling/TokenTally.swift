/// Counts how often each token occurs in a stretch of history, in memory that is reused from token to token.
struct TokenTally: Sendable {
    /// Per token id; all zero between calls.
    private var counts: [Int32]

    init(vocabularySize: Int) {
        counts = [Int32](repeating: 0, count: vocabularySize)
    }

    /// Calls `body` once per distinct token, with its id and its number of occurrences.
    ///
    /// Ids outside the vocabulary have no logit to change and are passed over.
    ///
    /// - Complexity: O(n) in the length of the history, whatever the vocabulary.
    mutating func forEachDistinct(in history: UnsafeBufferPointer<Int32>, _ body: (_ id: Int, _ count: Int32) -> Void) {
        counts.withUnsafeMutableBufferPointer { counts in
            for token in history where counts.indices.contains(Int(token)) { counts[Int(token)] += 1 }
            for token in history where counts.indices.contains(Int(token)) {
                let id = Int(token)
                let count = counts[id]
                guard count > 0 else { continue }
                counts[id] = 0
                body(id, count)
            }
        }
    }
}

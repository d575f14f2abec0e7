/// Merges the tokens of one piece after another, reusing its memory.
///
/// The tokens of a piece form a doubly linked list; the pairs that merge wait in a heap, lowest rank first and leftmost
/// of equal rank. A pair that no longer exists when its turn comes is passed over. Every merge adds at most two pairs,
/// so a piece of *n* bytes costs O(*n* log *n*) however long it is.
struct BytePairMerger {
    /// The pairs that were ever put in the heap: what the work is proportional to.
    private(set) var queuedPairs = 0

    private let merges: MergeTable
    private var tokens: [Int32] = []
    private var next: [Int] = []
    private var previous: [Int] = []
    /// The rank of the pair each token begins; `noRank` for the last token and for one merged into its left.
    private var pairRanks: [UInt32] = []
    private var heap = PairHeap()

    init(merges: MergeTable) { self.merges = merges }

    /// Appends the tokens that those of a piece merge into.
    mutating func merge(_ piece: some Collection<Int32>, into ids: inout [Int32]) {
        tokens.removeAll(keepingCapacity: true)
        tokens.append(contentsOf: piece)
        guard tokens.count > 1 else { return ids.append(contentsOf: tokens) }
        link()
        while let pair = heap.popMin() {
            // A stale pair: its left token is gone or has another right one by now.
            guard pairRanks[pair.position] == pair.rank else { continue }
            joinPair(at: pair.position, into: merges.results[Int(pair.rank)])
        }
        var position = 0
        while position < tokens.count {
            ids.append(tokens[position])
            position = next[position]
        }
    }

    private mutating func link() {
        next.removeAll(keepingCapacity: true)
        previous.removeAll(keepingCapacity: true)
        pairRanks.removeAll(keepingCapacity: true)
        for position in tokens.indices {
            next.append(position + 1)
            previous.append(position - 1)
            pairRanks.append(MergeTable.noRank)
        }
        for position in 0..<tokens.count - 1 { queuePair(at: position) }
    }

    private mutating func joinPair(at left: Int, into token: Int32) {
        let right = next[left]
        let after = next[right]
        tokens[left] = token
        next[left] = after
        pairRanks[right] = MergeTable.noRank
        if after < tokens.count { previous[after] = left }
        queuePair(at: left)
        if previous[left] >= 0 { queuePair(at: previous[left]) }
    }

    private mutating func queuePair(at left: Int) {
        let right = next[left]
        let rank = right < tokens.count ? merges.rank(tokens[left], tokens[right]) : MergeTable.noRank
        pairRanks[left] = rank
        guard rank != MergeTable.noRank else { return }
        queuedPairs += 1
        heap.push(rank: rank, position: left)
    }
}

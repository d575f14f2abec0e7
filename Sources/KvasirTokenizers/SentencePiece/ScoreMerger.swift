/// Merges neighbouring symbols of a text while their union is a piece, highest score first, leftmost of equal ones.
///
/// The symbols form a doubly linked list, as in `BytePairMerger`; here a pair is looked up by its text, so that no table
/// of pairs is needed. A symbol may be no piece itself and still be part of one.
struct ScoreMerger {
    /// The pairs that were ever put in the heap: what the work is proportional to.
    private(set) var queuedPairs = 0

    private let tokens: TokenTable
    private let ranks: [UInt32]
    private var starts: [Int] = []
    private var ends: [Int] = []
    private var next: [Int] = []
    private var previous: [Int] = []
    private var ids: [Int32] = []
    /// The rank of the pair each symbol begins; `noRank` for the last symbol and for one merged into its left.
    private var pairRanks: [UInt32] = []
    private var pairIDs: [Int32] = []
    private var heap = PairHeap()
    /// Of pieces that may be built upon but not be used: what they were last made of.
    private var unusedHalves: [Int32: (left: Range<Int>, right: Range<Int>)] = [:]
    private var text: [UInt8] = []

    init(tokens: TokenTable, ranks: [UInt32]) {
        self.tokens = tokens
        self.ranks = ranks
    }

    /// Appends the symbols that a piece of text merges into.
    mutating func merge(_ text: [UInt8], _ piece: Range<Int>, into symbols: inout [TextSymbol]) {
        self.text = text
        split(piece)
        for position in starts.indices.dropLast() { queuePair(at: position) }
        while let pair = heap.popMin() {
            // A stale pair: its left symbol is gone or has another right one by now.
            guard pairRanks[pair.position] == pair.rank else { continue }
            joinPair(at: pair.position)
        }
        var position = 0
        while position < starts.count {
            resolve(starts[position]..<ends[position], ids[position], into: &symbols)
            position = next[position]
        }
        self.text = []
    }

    private func resolve(_ symbol: Range<Int>, _ id: Int32, into symbols: inout [TextSymbol]) {
        guard id >= 0, tokens.type(of: Int(id)) == .unused, let halves = unusedHalves[id] else {
            return symbols.append(TextSymbol(range: symbol, id: id < 0 ? nil : id))
        }
        // The halves may lie elsewhere, where the same piece was merged last; only their texts count.
        resolve(halves.left, tokens.coded(text[halves.left]) ?? -1, into: &symbols)
        resolve(halves.right, tokens.coded(text[halves.right]) ?? -1, into: &symbols)
    }

    private mutating func split(_ piece: Range<Int>) {
        starts.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        next.removeAll(keepingCapacity: true)
        previous.removeAll(keepingCapacity: true)
        ids.removeAll(keepingCapacity: true)
        pairRanks.removeAll(keepingCapacity: true)
        pairIDs.removeAll(keepingCapacity: true)
        unusedHalves.removeAll(keepingCapacity: true)
        var index = piece.lowerBound
        while index < piece.upperBound {
            let end = min(index + UTF8Scanner.unitLength(in: text, at: index), piece.upperBound)
            previous.append(starts.count - 1)
            next.append(starts.count + 1)
            starts.append(index)
            ends.append(end)
            ids.append(tokens.coded(text[index..<end]) ?? -1)
            pairRanks.append(MergeTable.noRank)
            pairIDs.append(-1)
            index = end
        }
    }

    private mutating func joinPair(at left: Int) {
        let right = next[left]
        let after = next[right]
        ids[left] = pairIDs[left]
        if tokens.type(of: Int(ids[left])) == .unused {
            unusedHalves[ids[left]] = (starts[left]..<ends[left], starts[right]..<ends[right])
        }
        ends[left] = ends[right]
        next[left] = after
        pairRanks[right] = MergeTable.noRank
        if after < starts.count { previous[after] = left }
        queuePair(at: left)
        if previous[left] >= 0 { queuePair(at: previous[left]) }
    }

    private mutating func queuePair(at left: Int) {
        let right = next[left]
        pairRanks[left] = MergeTable.noRank
        guard right < starts.count, ends[right] - starts[left] <= tokens.longest,
            let id = tokens.coded(text[starts[left]..<ends[right]])
        else { return }
        pairRanks[left] = ranks[Int(id)]
        pairIDs[left] = id
        queuedPairs += 1
        heap.push(rank: ranks[Int(id)], position: left)
    }
}

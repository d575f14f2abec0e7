/// A binary min-heap of pairs by rank, then position, each packed into one word.
struct PairHeap {
    private static let positionBits: UInt64 = 40
    private var words: [UInt64] = []

    /// Adds a pair; ranks have 24 bits and positions 40.
    mutating func push(rank: UInt32, position: Int) {
        let word = UInt64(rank) << Self.positionBits | UInt64(position)
        var index = words.count
        words.append(word)
        while index > 0 {
            let parent = (index - 1) / 2
            guard word < words[parent] else { break }
            words[index] = words[parent]
            index = parent
        }
        words[index] = word
    }

    /// Removes the pair of lowest rank, the leftmost of those.
    mutating func popMin() -> (rank: UInt32, position: Int)? {
        guard let last = words.popLast() else { return nil }
        guard let least = words.first else { return Self.unpack(last) }
        var index = 0
        while true {
            var child = 2 * index + 1
            guard child < words.count else { break }
            if child + 1 < words.count, words[child + 1] < words[child] { child += 1 }
            guard words[child] < last else { break }
            words[index] = words[child]
            index = child
        }
        words[index] = last
        return Self.unpack(least)
    }

    private static func unpack(_ word: UInt64) -> (rank: UInt32, position: Int) {
        (UInt32(word >> positionBits), Int(word & (1 << positionBits - 1)))
    }
}

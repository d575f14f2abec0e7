/// The merges of a vocabulary: which pairs of tokens become one, and which pair goes first.
struct MergeTable: Sendable {
    /// The rank of a pair that does not merge.
    static let noRank = UInt32.max
    /// One more than the highest rank; ranks are packed above 40 bits of position.
    static let rankLimit = 1 << 24

    private static let free = UInt64.max

    /// The token each rank makes.
    private(set) var results: [Int32] = []
    private var keys: [UInt64]
    private var ranks: [UInt32]
    private let mask: Int

    /// Room for `count` merges.
    init(count: Int) {
        var capacity = 16
        while capacity < count * 2 { capacity *= 2 }
        keys = [UInt64](repeating: Self.free, count: capacity)
        ranks = [UInt32](repeating: Self.noRank, count: capacity)
        mask = capacity - 1
        results.reserveCapacity(count)
    }

    /// Adds the next merge; a pair that is given twice has the rank of the later one, as in the reference library.
    mutating func append(left: Int32, right: Int32, result: Int32) {
        let slot = slot(of: Self.key(left, right))
        keys[slot] = Self.key(left, right)
        ranks[slot] = UInt32(results.count)
        results.append(result)
    }

    /// The rank of a pair, lowest first, or `noRank`.
    func rank(_ left: Int32, _ right: Int32) -> UInt32 { ranks[slot(of: Self.key(left, right))] }

    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    private func slot(of key: UInt64) -> Int {
        var hash = key &* 0x9E37_79B9_7F4A_7C15
        hash ^= hash >> 32
        var slot = Int(truncatingIfNeeded: hash) & mask
        while keys[slot] != key, keys[slot] != Self.free { slot = (slot + 1) & mask }
        return slot
    }
}

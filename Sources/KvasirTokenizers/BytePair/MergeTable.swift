/// The merges of a vocabulary: which pairs of tokens become one, and which pair goes first.
struct MergeTable: Sendable {
    /// The rank of a pair that does not merge.
    static let noRank = UInt32.max
    /// One more than the most merges: ranks share a word with 8 bits of their pair's hash.
    static let rankLimit = 1 << 24 - 1

    private static let free = UInt32.max

    /// The token each rank makes.
    private(set) var results: [Int32] = []
    /// The pair of each rank.
    private var pairs: [UInt64] = []
    /// Open addressing; the upper 8 bits are of the hash, the lower 24 the rank.
    private var slots: [UInt32]

    /// Room for `count` merges.
    init(count: Int) {
        slots = [UInt32](repeating: Self.free, count: max(16, 2 * count))
        results.reserveCapacity(count)
        pairs.reserveCapacity(count)
    }

    /// The bytes the tables hold.
    var byteCount: Int { 4 * (results.capacity + slots.capacity) + 8 * pairs.capacity }

    /// Adds the next merge; a pair that is given twice has the rank of the later one, as in the reference library.
    mutating func append(left: Int32, right: Int32, result: Int32) {
        let key = Self.key(left, right)
        let hash = Self.hash(key)
        let rank = UInt32(pairs.count)
        pairs.append(key)
        results.append(result)
        slots[slot(of: key, hash)] = UInt32(truncatingIfNeeded: hash) << 24 | rank
    }

    /// The rank of a pair, lowest first, or `noRank`.
    func rank(_ left: Int32, _ right: Int32) -> UInt32 {
        let key = Self.key(left, right)
        let entry = slots[slot(of: key, Self.hash(key))]
        return entry == Self.free ? Self.noRank : entry & 0xFF_FFFF
    }

    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    private static func hash(_ key: UInt64) -> UInt64 {
        let hash = key &* 0x9E37_79B9_7F4A_7C15
        return (hash ^ hash >> 32) &* 0xD6E8_FEB8_6659_FD93
    }

    private func slot(of key: UInt64, _ hash: UInt64) -> Int {
        let fingerprint = UInt32(truncatingIfNeeded: hash) & 0xFF
        // The upper half of the hash, scaled to the number of slots.
        var slot = Int(((hash >> 32) &* UInt64(slots.count)) >> 32)
        while true {
            let entry = slots[slot]
            if entry == Self.free { return slot }
            if entry >> 24 == fingerprint, pairs[Int(entry & 0xFF_FFFF)] == key { return slot }
            slot = slot + 1 == slots.count ? 0 : slot + 1
        }
    }
}

extension MergeTable {
    /// Resolves merges written as two tokens with a space between.
    ///
    /// - Throws: `TokenizerError` that names the merge at fault.
    init(_ merges: ByteStrings, tokens: TokenTable) throws(TokenizerError) {
        guard merges.count < Self.rankLimit else {
            throw TokenizerError(.tooMany(what: "merges", count: merges.count))
        }
        self.init(count: merges.count)
        var joined: [UInt8] = []
        var scratch: [UInt8] = []
        try merges.forEach { (rank, text) throws(TokenizerError) in
            guard let space = text.firstIndex(of: 0x20), space > 0, space + 1 < text.count,
                !text[(space + 1)...].contains(0x20)
            else { throw TokenizerError(.malformedMerge(index: rank, text: String(decoding: text, as: UTF8.self))) }
            func id(of token: some Collection<UInt8>) throws(TokenizerError) -> Int32 {
                guard let id = tokens.id(ofText: token, scratch: &scratch) else {
                    let text = String(decoding: text, as: UTF8.self)
                    let token = String(decoding: token, as: UTF8.self)
                    throw TokenizerError(.unknownTokenInMerge(index: rank, text: text, token: token))
                }
                return id
            }
            let left = try id(of: text[..<space])
            let right = try id(of: text[(space + 1)...])
            joined.removeAll(keepingCapacity: true)
            joined.append(contentsOf: text[..<space])
            joined.append(contentsOf: text[(space + 1)...])
            append(left: left, right: right, result: try id(of: joined))
        }
    }
}

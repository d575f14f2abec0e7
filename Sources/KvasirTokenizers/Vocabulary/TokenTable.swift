/// The tokens of a vocabulary in four arrays: their bytes one after another, where each ends, what each is, and a hash
/// table of ids.
///
/// A token's text is kept once, as the bytes it stands for, with a note whether it was coded (`TokenCoding`): a byte
/// alphabet's `Ġ` and a literal space are different tokens of equal bytes. Texts are bytes and not strings: those
/// compare by canonical equivalence, and two tokens may differ in nothing else.
struct TokenTable: Sendable {
    /// One more than the most tokens: ids share a word with 8 bits of their hash.
    static let limit = 1 << 24 - 1

    private static let free = UInt32.max
    private static let codedBit: UInt8 = 0x80

    let coding: TokenCoding
    /// The bytes of the longest token.
    let longest: Int
    private let arena: [UInt8]
    private let ends: [UInt32]
    /// The type of each token, and `codedBit`.
    private let kinds: [UInt8]
    /// Open addressing; the upper 8 bits are of the hash, the lower 24 the id.
    private var slots: [UInt32]

    /// Of two tokens with one text the later is found, as in the reference libraries.
    ///
    /// - Throws: `TokenizerError` if there are none or too many.
    init(
        _ tokens: ByteStrings, types: [TokenizerVocabulary.TokenType], coding: TokenCoding
    ) throws(TokenizerError) {
        let count = tokens.count
        guard count > 0 else { throw TokenizerError(.noTokens) }
        guard count < Self.limit else { throw TokenizerError(.tooMany(what: "tokens", count: count)) }
        guard types.isEmpty || types.count == count else {
            throw TokenizerError(.typeCount(tokens: count, types: types.count))
        }
        self.coding = coding
        // Once to count and once to keep, so that no array is larger than what it holds.
        var scratch: [UInt8] = []
        var total = 0
        func decode(_ text: UnsafeBufferPointer<UInt8>, _ type: TokenizerVocabulary.TokenType) -> Bool {
            scratch.removeAll(keepingCapacity: true)
            if coding.applies(to: type), coding.decode(text, into: &scratch) { return true }
            scratch.append(contentsOf: text)
            return false
        }
        tokens.forEach { (index, text) in
            _ = decode(text, types.isEmpty ? .normal : types[index])
            total += scratch.count
        }
        guard total <= UInt32.max else { throw TokenizerError(.tooMany(what: "bytes of tokens", count: total)) }

        var arena: [UInt8] = []
        var ends: [UInt32] = []
        var kinds: [UInt8] = []
        var longest = 0
        arena.reserveCapacity(total)
        ends.reserveCapacity(count)
        kinds.reserveCapacity(count)
        tokens.forEach { (index, text) in
            let type = types.isEmpty ? TokenizerVocabulary.TokenType.normal : types[index]
            let isCoded = decode(text, type)
            arena.append(contentsOf: scratch)
            ends.append(UInt32(arena.count))
            kinds.append(UInt8(type.rawValue) | (isCoded ? Self.codedBit : 0))
            longest = max(longest, scratch.count)
        }
        self.arena = arena
        self.ends = ends
        self.kinds = kinds
        self.longest = longest
        slots = [UInt32](repeating: Self.free, count: max(16, count + count / 2))
        for id in 0..<count {
            let place = place(of: arena[range(of: id)], isCoded: kinds[id] & Self.codedBit != 0)
            slots[place.slot] = UInt32(place.fingerprint) << 24 | UInt32(id)
        }
    }

    /// The number of ids.
    var count: Int { kinds.count }

    /// The bytes the tables hold.
    var byteCount: Int { arena.capacity + kinds.capacity + 4 * (ends.capacity + slots.capacity) }

    /// What a token is.
    func type(of id: Int) -> TokenizerVocabulary.TokenType {
        TokenizerVocabulary.TokenType(rawValue: Int32(kinds[id] & ~Self.codedBit)) ?? .normal
    }

    /// A token's bytes, or its text where that stands for itself.
    func bytes(of id: Int) -> ArraySlice<UInt8> { arena[range(of: id)] }

    /// The coded token of these bytes.
    func coded(_ bytes: some Collection<UInt8>) -> Int32? { find(bytes, isCoded: true) }

    /// The token with this text, as the vocabulary writes it; `scratch` is memory to work in.
    func id(ofText text: some Collection<UInt8>, scratch: inout [UInt8]) -> Int32? {
        let literal = find(text, isCoded: false)
        scratch.removeAll(keepingCapacity: true)
        guard coding.decode(text, into: &scratch), let coded = coded(scratch) else { return literal }
        return max(coded, literal ?? -1)
    }

    private func range(of id: Int) -> Range<Int> { (id == 0 ? 0 : Int(ends[id - 1]))..<Int(ends[id]) }

    private func find(_ bytes: some Collection<UInt8>, isCoded: Bool) -> Int32? {
        let entry = slots[place(of: bytes, isCoded: isCoded).slot]
        return entry == Self.free ? nil : Int32(entry & 0xFF_FFFF)
    }

    /// The slot of a token, or the free one where it would go.
    private func place(of bytes: some Collection<UInt8>, isCoded: Bool) -> (slot: Int, fingerprint: UInt8) {
        // FNV-1a with a last mix.
        var hash: UInt64 = isCoded ? 0xCBF2_9CE4_8422_2325 : 0x9AE1_6A3B_2F90_404F
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        hash = (hash ^ hash >> 32) &* 0x9E37_79B9_7F4A_7C15
        let fingerprint = UInt8(truncatingIfNeeded: hash)
        // The upper half of the hash, scaled to the number of slots.
        var slot = Int(((hash >> 32) &* UInt64(slots.count)) >> 32)
        let kind = isCoded ? Self.codedBit : 0
        while slots[slot] != Self.free {
            let entry = slots[slot]
            if entry >> 24 == UInt32(fingerprint) {
                let id = Int(entry & 0xFF_FFFF)
                if kinds[id] & Self.codedBit == kind, arena[range(of: id)].elementsEqual(bytes) { break }
            }
            slot = slot + 1 == slots.count ? 0 : slot + 1
        }
        return (slot, fingerprint)
    }
}

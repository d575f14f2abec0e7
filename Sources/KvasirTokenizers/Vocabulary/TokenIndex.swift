/// Finds a token's id by the UTF-8 of its text.
///
/// Not a dictionary of strings: those compare by canonical equivalence, and two tokens may differ in nothing else.
struct TokenIndex: Sendable {
    private var text: [UInt8] = []
    private var ends: [Int] = [0]
    private var slots: [Int32]
    private let mask: Int

    /// Of two tokens with one text the later wins, as in the reference library.
    init(_ tokens: [String]) {
        var capacity = 16
        while capacity < tokens.count * 2 { capacity *= 2 }
        slots = [Int32](repeating: -1, count: capacity)
        mask = capacity - 1
        ends.reserveCapacity(tokens.count + 1)
        text.reserveCapacity(tokens.reduce(0) { $0 + $1.utf8.count })
        for (id, token) in tokens.enumerated() {
            text.append(contentsOf: token.utf8)
            ends.append(text.count)
            slots[slot(of: text[ends[id]...])] = Int32(id)
        }
    }

    /// The id of the token with this text.
    func id(of key: ArraySlice<UInt8>) -> Int32? {
        let id = slots[slot(of: key)]
        return id < 0 ? nil : id
    }

    private func slot(of key: ArraySlice<UInt8>) -> Int {
        // FNV-1a with a last mix, since the table uses the low bits only.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in key { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        hash ^= hash >> 32
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] >= 0, !text[range(of: slots[slot])].elementsEqual(key) { slot = (slot + 1) & mask }
        return slot
    }

    private func range(of id: Int32) -> Range<Int> { ends[Int(id)]..<ends[Int(id) + 1] }
}

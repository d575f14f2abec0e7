/// Tokens as a file gives them, in any order, collected by id; ids that nothing has are unused.
struct TokenList: Sendable {
    /// How far ids may run ahead of the number of tokens, so that a lying id fills no memory.
    private static let largestGap = 65_536

    private(set) var types: [TokenizerVocabulary.TokenType] = []
    private var arena: [UInt8] = []
    private var starts: [UInt32] = []
    private var lengths: [UInt32] = []
    private var given = 0

    /// The number of ids.
    var count: Int { types.count }

    /// Sets a token; returns false if its id is impossible.
    mutating func set(_ id: Int, _ text: some Collection<UInt8>, _ type: TokenizerVocabulary.TokenType) -> Bool {
        given += 1
        guard id >= 0, id < given + Self.largestGap, arena.count + text.count <= Int(UInt32.max) else { return false }
        while types.count <= id {
            types.append(.unused)
            starts.append(0)
            lengths.append(0)
        }
        starts[id] = UInt32(arena.count)
        lengths[id] = UInt32(text.count)
        types[id] = type
        arena.append(contentsOf: text)
        return true
    }

    /// Changes what a token is.
    mutating func setType(_ id: Int, _ type: TokenizerVocabulary.TokenType) { types[id] = type }

    /// Makes `<0x00>` to `<0xFF>` stand for bytes.
    mutating func recogniseBytes() {
        for id in types.indices where types[id] == .normal && Vocabulary.escapedByte(text(id)) != nil {
            types[id] = .byte
        }
    }

    /// A token's text.
    func text(_ id: Int) -> ArraySlice<UInt8> { arena[Int(starts[id])..<Int(starts[id]) + Int(lengths[id])] }

    /// The first id with this text.
    func id(of text: String) -> Int32? {
        let bytes = Array(text.utf8)
        return types.indices.first { self.text($0).elementsEqual(bytes) }.map { Int32($0) }
    }

    /// The texts by id.
    var strings: ByteStrings {
        ByteStrings(count: count) { [self] visit in
            arena.withUnsafeBufferPointer { arena in
                for id in types.indices {
                    let start = Int(starts[id])
                    guard visit(UnsafeBufferPointer(rebasing: arena[start..<start + Int(lengths[id])])) else { return }
                }
            }
        }
    }
}

#if Server
internal import KvasirTokenizers
internal import Synchronization

/// The tokens of a vocabulary by their bytes, as a trie in preorder: the tokens that a grammar allows are found by one
/// walk that leaves out every branch as soon as its first byte is not allowed.
final class TokenTrie: Sendable {
    /// For every node but the root, in preorder: its byte, how deep it is (1 for a first byte), and where its branch ends.
    let bytes: [UInt8]
    let depths: [UInt16]
    let ends: [Int32]
    /// The tokens that end at a node: `tokens[starts[node]..<starts[node + 1]]`.
    let starts: [Int32]
    let tokens: [Int32]
    let deepest: Int
    /// The bytes of tokens, and those that end a text.
    let vocabulary: Vocabulary

    /// Makes the trie of all tokens that are text.
    init(_ vocabulary: Vocabulary) {
        let texts: [(id: Int32, bytes: [UInt8])] = (0..<Int32(vocabulary.count)).compactMap { id in
            guard !vocabulary.isSpecial(id), !vocabulary.endOfGenerationIDs.contains(id),
                let bytes = vocabulary.tokenBytes(id), !bytes.isEmpty, bytes.count < Int(UInt16.max)
            else { return nil }
            return (id, Array(bytes))
        }.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }

        var bytes: [UInt8] = []
        var depths: [UInt16] = []
        var ends: [Int32] = []
        var counts: [Int32] = []
        var tokens: [Int32] = []
        var open: [Int] = []
        var previous: [UInt8] = []
        for text in texts {
            let shared = zip(previous, text.bytes).prefix { $0 == $1 }.count
            while open.count > shared { ends[open.removeLast()] = Int32(bytes.count) }
            for byte in text.bytes[shared...] {
                open.append(bytes.count)
                bytes.append(byte)
                depths.append(UInt16(open.count))
                ends.append(0)
                counts.append(0)
            }
            // Sorted, so the tokens of a node come together and before those below it.
            counts[open[open.count - 1]] += 1
            tokens.append(text.id)
            previous = text.bytes
        }
        while let node = open.popLast() { ends[node] = Int32(bytes.count) }
        var starts: [Int32] = [0]
        for count in counts { starts.append(starts[starts.count - 1] + count) }
        self.bytes = bytes
        self.depths = depths
        self.ends = ends
        self.starts = starts
        self.tokens = tokens
        deepest = Int(depths.max() ?? 0)
        self.vocabulary = vocabulary
    }
}

/// A trie that is made when it is first asked for, which takes a fraction of a second.
final class LazyTokenTrie: Sendable {
    private let vocabulary: Vocabulary
    private let made = Mutex<TokenTrie?>(nil)

    init(_ vocabulary: Vocabulary) { self.vocabulary = vocabulary }

    var trie: TokenTrie {
        made.withLock { made in
            if let made { return made }
            let trie = TokenTrie(vocabulary)
            made = trie
            return trie
        }
    }
}
#endif

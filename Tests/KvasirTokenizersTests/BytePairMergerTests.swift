import Testing

@testable import KvasirTokenizers

@Suite("Merging")
struct BytePairMergerTests {
    /// The definition, spelled out: again and again the leftmost pair of the lowest rank.
    private func slowMerge(_ piece: [Int32], _ merges: MergeTable) -> [Int32] {
        var tokens = piece
        while true {
            let ranks = zip(tokens, tokens.dropFirst()).map { merges.rank($0, $1) }
            guard let least = ranks.min(), least != MergeTable.noRank, let left = ranks.firstIndex(of: least) else {
                return tokens
            }
            tokens.replaceSubrange(left...left + 1, with: [merges.results[Int(least)]])
        }
    }

    @Test("gives what the definition gives", arguments: PreTokenizer.allCases)
    func equalsSlowTwin(_ name: PreTokenizer) throws {
        let tokenizer = try Fixture.tokenizer(name)
        var merger = BytePairMerger(merges: tokenizer.merges)
        var generator = SeededGenerator(seed: 4)
        let letters = Array("aaaaeeettthhsn   ".utf8)
        for length in 0..<150 {
            let piece = (0..<length).map { _ in
                tokenizer.byteTokens[Int(letters[Int.random(in: 0..<letters.count, using: &generator)])]
            }
            var ids: [Int32] = []
            merger.merge(piece, into: &ids)
            #expect(ids == slowMerge(piece, tokenizer.merges))
        }
    }

    @Test("queues at most three pairs per byte, however long the piece", arguments: [1_000, 10_000, 100_000])
    func linear(_ count: Int) throws {
        for text in ["a", "ab", "the", " ", "="] {
            let tokenizer = try Fixture.tokenizer(.gpt2)
            var merger = BytePairMerger(merges: tokenizer.merges)
            let bytes = Array(String(repeating: text, count: count / text.utf8.count).utf8)
            let ids = tokenizer.encode(bytes, addSpecial: false, parseSpecial: true, merger: &merger)
            #expect(merger.queuedPairs > 0)
            #expect(merger.queuedPairs <= 3 * bytes.count)
            #expect(tokenizer.decodeBytes(ids) == bytes)
        }
    }

    @Test("takes pairs by rank, then from the left")
    func heapOrder() {
        var generator = SeededGenerator(seed: 5)
        var heap = PairHeap()
        var expected: [(rank: UInt32, position: Int)] = []
        for _ in 0..<1_000 {
            let rank = UInt32.random(in: 0..<UInt32(MergeTable.rankLimit), using: &generator) & 0xFF_000F
            let position = Int.random(in: 0..<1 << 40, using: &generator)
            heap.push(rank: rank, position: position)
            expected.append((rank, position))
        }
        expected.sort { $0 < $1 }
        for pair in expected { #expect(heap.popMin().map { $0 == pair } == true) }
        #expect(heap.popMin() == nil)
    }
}

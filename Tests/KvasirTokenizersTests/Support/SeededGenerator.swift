/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

/// Texts that tokenizers tend to get wrong: random bytes, and random mixtures of awkward scalars.
enum RandomText {
    private static let fragments: [[UInt8]] =
        [
            "a", "B", "the", " ", "  ", "\n", "\r\n", "\t", "'s", "'LL", "'ſ", "é", "e\u{301}", "한", "我", "ا", "क्ष", "1",
            "23", "½",
            "٣", "😀", "👩‍👩‍👧", "\u{A0}", "\u{3000}", "\u{85}", ".", "--", "$x^2", "_", "\u{200D}", "\u{10FFFF}",
            "<|im_end|>", "<|",
        ].map { Array($0.utf8) } + [[0xE2, 0x82], [0xFF], [0x80], [0xF0, 0x9F], [0xED, 0xA0, 0x80], [0x00]]

    static func bytes(count: Int, using generator: inout SeededGenerator) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }

    static func mixture(count: Int, using generator: inout SeededGenerator) -> [UInt8] {
        (0..<count).flatMap { _ in fragments[Int.random(in: 0..<fragments.count, using: &generator)] }
    }
}

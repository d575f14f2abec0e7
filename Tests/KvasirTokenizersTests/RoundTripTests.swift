import KvasirTokenizers
import Testing

@Suite("What was encoded comes back")
struct RoundTripTests {
    @Test("for any bytes, byte for byte", arguments: PreTokenizer.allCases)
    func anyBytes(_ name: PreTokenizer) throws {
        let tokenizer = try Fixture.tokenizer(name)
        var generator = SeededGenerator(seed: 1)
        for round in 0..<200 {
            let bytes =
                round.isMultiple(of: 2)
                ? RandomText.bytes(count: round, using: &generator)
                : RandomText.mixture(count: round, using: &generator)
            for parseSpecial in [false, true] {
                let ids = tokenizer.encode(bytes, addSpecial: false, parseSpecial: parseSpecial)
                let expected = bytes.filter { !tokenizer.bytesWithoutToken.contains($0) }
                #expect(tokenizer.decodeBytes(ids, skipSpecial: false) == expected)
            }
        }
    }

    @Test("for every input of the fixtures", arguments: PreTokenizer.allCases)
    func fixtures(_ name: PreTokenizer) throws {
        let tokenizer = try Fixture.tokenizer(name)
        for (label, bytes) in try Fixture.inputs() {
            let ids = tokenizer.encode(bytes, addSpecial: false, parseSpecial: true)
            let expected = bytes.filter { !tokenizer.bytesWithoutToken.contains($0) }
            #expect(tokenizer.decodeBytes(ids, skipSpecial: false) == expected, "\(label)")
        }
    }

    @Test("and only a vocabulary with gaps loses bytes, which it lists")
    func gaps() throws {
        for name in PreTokenizer.allCases {
            let missing = try Fixture.tokenizer(name).bytesWithoutToken
            #expect(missing.isEmpty == (name != .smollm))
        }
        let tokenizer = try Fixture.tokenizer(.smollm)
        #expect(tokenizer.bytesWithoutToken.first == 0x04)
        #expect(tokenizer.encode([0x04], addSpecial: false, parseSpecial: true).isEmpty)
    }

    @Test("except special tokens, which decoding leaves out on request")
    func skipSpecial() throws {
        let tokenizer = try Fixture.tokenizer(.qwen2)
        let ids = tokenizer.encode("<|im_start|>a<tool><|im_end|>", addSpecial: false, parseSpecial: true)
        #expect(tokenizer.decode(ids) == "a<tool>")
        #expect(tokenizer.decode(ids, skipSpecial: false) == "<|im_start|>a<tool><|im_end|>")
        #expect(tokenizer.decode([-1, Int32(tokenizer.vocabularySize), .max, .min]) == "")
        #expect(tokenizer.tokenBytes(-1) == nil)
    }
}

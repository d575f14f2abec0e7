import KvasirTokenizers
import Testing

@Suite("Streaming decoding")
struct StreamingDecoderTests {
    @Test("joined, gives what decoding at once gives", arguments: PreTokenizer.allCases)
    func equalsWhole(_ name: PreTokenizer) throws {
        let tokenizer = try Fixture.tokenizer(name)
        var generator = SeededGenerator(seed: 2)
        for round in 0..<200 {
            // Arbitrary ids cut characters in every possible place; encoded text cuts them where real text is cut.
            let ids =
                round.isMultiple(of: 2)
                ? (0..<round).map { _ in Int32.random(in: 0..<Int32(tokenizer.vocabularySize), using: &generator) }
                : tokenizer.encode(
                    RandomText.mixture(count: round, using: &generator), addSpecial: false, parseSpecial: true)
            for skipSpecial in [false, true] {
                var decoder = StreamingDecoder(tokenizer, skipSpecial: skipSpecial)
                var text = ids.reduce(into: "") { $0 += decoder.append($1) }
                text += decoder.finish()
                let whole = tokenizer.decode(ids, skipSpecial: skipSpecial)
                #expect(Array(text.utf8) == Array(whole.utf8))
            }
        }
    }

    @Test("gives a character only when its last byte is there")
    func wholeCharacters() throws {
        let tokenizer = try Fixture.tokenizer(.gpt2)
        let text = "a😀한é\u{10FFFF}z"
        let ids = try text.utf8.map { byte in
            try #require((0..<Int32(tokenizer.vocabularySize)).first { tokenizer.tokenBytes($0) == [byte] })
        }
        var decoder = StreamingDecoder(tokenizer)
        let pieces = ids.map { decoder.append($0) }.filter { !$0.isEmpty }
        #expect(pieces == ["a", "😀", "한", "é", "\u{10FFFF}", "z"])
        #expect(decoder.finish() == "")

        decoder = StreamingDecoder(tokenizer)
        #expect(decoder.append(ids[1]) == "")
        #expect(decoder.append(ids[0]) == "\u{FFFD}a")
        #expect(decoder.append(ids[1]) + decoder.append(ids[2]) == "")
        #expect(decoder.finish() == "\u{FFFD}")
        #expect(decoder.finish() == "")
    }
}

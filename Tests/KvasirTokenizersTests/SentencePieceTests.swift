import Testing

@testable import KvasirTokenizers

@Suite("SentencePiece models")
struct SentencePieceTests {
    @Test("give the reference library's ids", arguments: TokenizerFileFixture.sentencePiece)
    func reference(_ name: String) throws {
        let tokenizer = try TokenizerFileFixture.sentencePiece(name)
        let inputs = try Fixture.inputs()
        let expected = try #require(try TokenizerFileFixture.expected()["spm-\(name)"]).ids
        #expect(expected.count > 60)
        for (label, ids) in expected {
            let bytes = try #require(inputs[label])
            #expect(tokenizer.encode(bytes, addSpecial: false, parseSpecial: false) == ids, "\(label)")
        }
    }

    @Test("with byte fallback give back any bytes", arguments: ["llama", "gemma", "unigram-bytes"])
    func roundTrip(_ name: String) throws {
        let tokenizer = try TokenizerFileFixture.sentencePiece(name)
        var generator = SeededGenerator(seed: 11)
        for round in 0..<200 {
            let bytes =
                round.isMultiple(of: 2)
                ? RandomText.bytes(count: round, using: &generator)
                : RandomText.mixture(count: round, using: &generator)
            for parseSpecial in [false, true] {
                let ids = tokenizer.encode(bytes, addSpecial: false, parseSpecial: parseSpecial)
                var spaces: [UInt8] = []
                _ = Metaspace.decode(bytes, into: &spaces)
                #expect(tokenizer.decodeBytes(ids, skipSpecial: false, startsText: true) == spaces)
            }
        }
    }

    @Test("decode a stream as they decode the whole", arguments: TokenizerFileFixture.sentencePiece)
    func streaming(_ name: String) throws {
        let tokenizer = try TokenizerFileFixture.sentencePiece(name)
        var generator = SeededGenerator(seed: 12)
        for round in 0..<100 {
            let ids = (0..<round).map { _ in
                Int32.random(in: 0..<Int32(tokenizer.vocabularySize), using: &generator)
            }
            var decoder = StreamingDecoder(tokenizer)
            var text = ids.reduce(into: "") { $0 += decoder.append($1) }
            text += decoder.finish()
            #expect(Array(text.utf8) == Array(tokenizer.decode(ids).utf8))
        }
    }

    @Test("put a space where their kind has one")
    func prefixes() throws {
        let llama = try TokenizerFileFixture.sentencePiece("llama")
        let gemma = try TokenizerFileFixture.sentencePiece("gemma")
        func text(_ tokenizer: any Tokenizer, _ text: String, special: Bool = false, starts: Bool = false) -> String {
            tokenizer.decode(
                tokenizer.encode(text, addSpecial: false, parseSpecial: special), skipSpecial: false, startsText: starts
            )
        }
        #expect(text(llama, "the end") == " the end")
        #expect(text(llama, "the end", starts: true) == "the end")
        #expect(text(llama, " the end", starts: true) == " the end")
        #expect(text(llama, "") == "")
        #expect(text(gemma, "the end") == "the end")
        #expect(llama.prefixesSpace && !gemma.prefixesSpace)
        // A continuation keeps its space.
        let ids = llama.encode("the end", addSpecial: false, parseSpecial: false)
        #expect(llama.decode(ids.dropFirst()).hasSuffix("end"))
        #expect(text(gemma, "<|im_start|>a<|im_end|>", special: true) == "<|im_start|>a<|im_end|>")
    }

    @Test("add the first token, and know what ends generation")
    func specialTokens() throws {
        let tokenizer = try TokenizerFileFixture.sentencePiece("llama")
        #expect(tokenizer.unknownID == 0 && tokenizer.bosID == 1 && tokenizer.eosID == 2)
        #expect(tokenizer.encode("x", addSpecial: true, parseSpecial: false).first == 1)
        // </s> by its id, <|im_end|> by its text.
        #expect(tokenizer.endOfGenerationIDs == [2, try #require(tokenizer.id(of: "<|im_end|>"))])
        #expect(
            tokenizer.id(of: "\u{2581}the") == tokenizer.encode("the", addSpecial: false, parseSpecial: false).first)
        #expect(tokenizer.tokenBytes(try #require(tokenizer.id(of: "<0x0A>"))) == [0x0A])
    }

    @Test("queue at most a few pairs per character, however long the text", arguments: [1_000, 30_000])
    func linear(_ count: Int) throws {
        let tokenizer = try #require(try TokenizerFileFixture.sentencePiece("sentences") as? SentencePieceTokenizer)
        guard case .scores(let ranks) = tokenizer.model else { return #expect(Bool(false), "merges by score") }
        for unit in ["a", "the ", " ", "ab"] {
            let text = Array(String(repeating: unit, count: count / unit.utf8.count).utf8)
            var merger = ScoreMerger(tokens: tokenizer.vocabulary.tokens, ranks: ranks)
            var symbols: [TextSymbol] = []
            merger.merge(text, 0..<text.count, into: &symbols)
            #expect(merger.queuedPairs <= 3 * text.count)
            #expect(symbols.flatMap { text[$0.range] } == text)
        }
    }

    @Test("build on pieces that they may not use")
    func unusedPieces() throws {
        let vocabulary = TokenizerVocabulary(
            algorithm: .scores, tokens: ["<unk>", "a", "b", "c", "ab", "abc"],
            types: [.unknown, .normal, .normal, .normal, .unused, .normal], scores: [0, -9, -9, -9, -1, -2],
            unknownID: 0, addsBOS: false)
        let tokenizer = try SentencePieceTokenizer(vocabulary)
        #expect(tokenizer.encode("ab", addSpecial: false, parseSpecial: false) == [1, 2])
        #expect(tokenizer.encode("abcab", addSpecial: false, parseSpecial: false) == [5, 1, 2])
        #expect(tokenizer.encode("xxa", addSpecial: false, parseSpecial: false) == [0, 1])
    }

    @Test("that cannot be used are refused")
    func refused() throws {
        func reason(_ change: (inout TokenizerVocabulary) -> Void) -> TokenizerError.Reason? {
            var vocabulary = TokenizerVocabulary(
                algorithm: .scores, tokens: ["<unk>", "a"], types: [.unknown, .normal], scores: [0, 1], unknownID: 0,
                addsBOS: false)
            change(&vocabulary)
            let error = #expect(throws: TokenizerError.self) { try vocabulary.tokenizer() }
            #expect(error?.description.contains("\n") == false)
            return error?.reason
        }
        #expect(reason { $0.scores = [1] } == .scoreCount(tokens: 2, scores: 1))
        #expect(reason { $0.scores = [1, .nan] } == .badScore(id: 1))
        #expect(reason { $0.unknownID = nil } == .noFallback)
        #expect(reason { $0.unknownID = 2 } == .idOutOfRange(name: "unknown_token_id", id: 2, tokens: 2))
        #expect(reason { $0.addsBOS = nil } == .missingID(name: "bos_token_id"))
    }

    @Test("that are damaged are errors or harmless")
    func damage() throws {
        let bytes = try TokenizerFileFixture.bytes("spm-unigram.model")
        var generator = SeededGenerator(seed: 13)
        var opened = 0
        for round in 0..<400 {
            var bytes = bytes
            for _ in 0..<4 {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            if round.isMultiple(of: 4) { bytes.removeLast(Int.random(in: 1..<bytes.count, using: &generator)) }
            do {
                let tokenizer = try TokenizerVocabulary(sentencePieceModel: FileBytes(path: "m", bytes)).tokenizer()
                _ = tokenizer.encode("some text", addSpecial: true, parseSpecial: true)
                opened += 1
            } catch is TokenizerFileError {
            } catch is TokenizerError {
            }
        }
        #expect((20..<380).contains(opened))
        #expect(throws: TokenizerFileError.self) {
            try TokenizerVocabulary(sentencePieceModel: FileBytes(path: "m", [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]))
        }
    }
}

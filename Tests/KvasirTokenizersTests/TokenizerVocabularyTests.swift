import KvasirTokenizers
import Testing

@Suite("A vocabulary that cannot be used")
struct TokenizerVocabularyTests {
    private func vocabulary() -> TokenizerVocabulary {
        TokenizerVocabulary(tokens: ["a", "b", "ab", "<|end|>"], merges: ["a b"], preTokenizer: "gpt-2")
    }

    private func reason(_ change: (inout TokenizerVocabulary) -> Void) -> TokenizerError.Reason? {
        var vocabulary = vocabulary()
        change(&vocabulary)
        let error = #expect(throws: TokenizerError.self) { try BytePairTokenizer(vocabulary) }
        #expect(error?.description.contains("\n") == false)
        return error?.reason
    }

    @Test("is refused with the entry at fault")
    func refused() {
        #expect(reason { $0.preTokenizer = "" } == .unsupportedPreTokenizer(""))
        #expect(reason { $0.tokens = [] } == .noTokens)
        #expect(reason { $0.types = [.normal] } == .typeCount(tokens: 4, types: 1))
        #expect(reason { $0.merges = ["a b", "ab"] } == .malformedMerge(index: 1, text: "ab"))
        #expect(reason { $0.merges = ["a b c"] } == .malformedMerge(index: 0, text: "a b c"))
        #expect(reason { $0.merges = [" b"] } == .malformedMerge(index: 0, text: " b"))
        #expect(reason { $0.merges = ["a "] } == .malformedMerge(index: 0, text: "a "))
        #expect(reason { $0.merges = [""] } == .malformedMerge(index: 0, text: ""))
        #expect(reason { $0.merges = ["a c"] } == .unknownTokenInMerge(index: 0, text: "a c", token: "c"))
        #expect(reason { $0.merges = ["b a"] } == .unknownTokenInMerge(index: 0, text: "b a", token: "ba"))
        #expect(reason { $0.bosID = 4 } == .idOutOfRange(name: "bos_token_id", id: 4, tokens: 4))
        #expect(reason { $0.eosID = -1 } == .idOutOfRange(name: "eos_token_id", id: -1, tokens: 4))
        #expect(reason { $0.endOfGenerationIDs = [9] } == .idOutOfRange(name: "end-of-generation id", id: 9, tokens: 4))
        #expect(reason { $0.addsBOS = true } == .missingID(name: "bos_token_id"))
        #expect(reason { $0.addsEOS = true } == .missingID(name: "eos_token_id"))
    }

    @Test("is not one whose tokens differ only in composition")
    func canonicalEquivalence() throws {
        let tokens = ["\u{E9}", "e\u{301}", "e", "\u{212B}", "\u{C5}"]
        let tokenizer = try BytePairTokenizer(
            TokenizerVocabulary(tokens: ByteStrings(tokens), merges: [], preTokenizer: "gpt-2"))
        for (id, token) in tokens.enumerated() { #expect(tokenizer.id(of: token) == Int32(id)) }
    }

    @Test("may hold bytes, places without text and text outside the alphabet")
    func tokenBytes() throws {
        let tokenizer = try BytePairTokenizer(
            TokenizerVocabulary(
                tokens: ["Ġa", "<0x0A>", "gone", "我", "Ġ", "<0xZZ>"],
                types: [.normal, .byte, .unused, .normal, .userDefined, .byte], merges: [], preTokenizer: "gpt-2"))
        #expect(tokenizer.decodeBytes(0..<3) == Array(" a\n".utf8))
        #expect(tokenizer.decode(3..<6) == "我Ġ<0xZZ>")
    }
}

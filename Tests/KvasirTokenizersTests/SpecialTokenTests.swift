import KvasirTokenizers
import Testing

@Suite("Special tokens")
struct SpecialTokenTests {
    @Test("part a text: the ids of the whole are those of the parts", arguments: PreTokenizer.allCases)
    func concatenation(_ name: PreTokenizer) throws {
        let tokenizer = try Fixture.tokenizer(name)
        let special = try #require(tokenizer.id(of: "<|im_end|>"))
        var generator = SeededGenerator(seed: 3)
        for round in 0..<60 {
            let left = RandomText.mixture(count: round, using: &generator)
            let right = RandomText.mixture(count: 60 - round, using: &generator)
            let whole = left + Array("<|im_end|>".utf8) + right
            let parts =
                tokenizer.encode(left, addSpecial: false, parseSpecial: true) + [special]
                + tokenizer.encode(right, addSpecial: false, parseSpecial: true)
            #expect(tokenizer.encode(whole, addSpecial: false, parseSpecial: true) == parts)
        }
    }

    @Test("are the longest at the leftmost place")
    func longest() throws {
        let tokenizer = try Fixture.tokenizer(.qwen2)
        let tools = try #require(tokenizer.id(of: "<tools>"))
        let tool = try #require(tokenizer.id(of: "<tool>"))
        #expect(tokenizer.encode("<tools><tool>", addSpecial: false, parseSpecial: false) == [tools, tool])
    }

    @Test("go around a text when the vocabulary says so")
    func aroundText() throws {
        var vocabulary = try Fixture.vocabulary(.llamaBPE)
        let bos = try #require(try BytePairTokenizer(vocabulary).id(of: "<|im_start|>"))
        let eos = try #require(try BytePairTokenizer(vocabulary).id(of: "<|im_end|>"))
        vocabulary.bosID = bos
        vocabulary.eosID = eos
        vocabulary.addsEOS = true
        // Llama 3 begins every text; a file need not say so.
        vocabulary.addsBOS = nil
        let tokenizer = try BytePairTokenizer(vocabulary)
        #expect(tokenizer.addsBOS)
        let plain = tokenizer.encode("x y", addSpecial: false, parseSpecial: true)
        #expect(tokenizer.encode("x y", addSpecial: true, parseSpecial: true) == [bos] + plain + [eos])
        vocabulary.addsBOS = false
        #expect(
            try BytePairTokenizer(vocabulary).encode("x y", addSpecial: true, parseSpecial: true).first == plain.first)
    }

    @Test("that end generation are known by id and by text")
    func endOfGeneration() throws {
        let vocabulary = TokenizerVocabulary(
            tokens: ["a", "<|im_end|>", "<|endoftext|>", "</s>", "<stop>", "<turn>", "<more>", "<other>"],
            types: [.normal, .control, .control, .normal, .control, .control, .control, .control], merges: [],
            preTokenizer: "gpt-2", eosID: 4, eotID: 5, endOfGenerationIDs: [6])
        #expect(try BytePairTokenizer(vocabulary).endOfGenerationIDs == [1, 2, 4, 5, 6])
    }
}

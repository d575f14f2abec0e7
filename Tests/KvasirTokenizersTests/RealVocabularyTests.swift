import KvasirTestSupport
import Testing

@testable import KvasirTokenizers

@Suite(
    "The real SmolLM2 vocabulary", .enabled(if: TestResources.defaultModelPath != nil, "no model file on this machine"))
struct RealVocabularyTests {
    @Test("gives the reference library's ids")
    func reference() throws {
        let tokenizer = try BytePairTokenizer(
            RealVocabulary.load(try #require(TestResources.defaultModelPath)).vocabulary)
        let expected = try Fixture.load(Fixture.Ids.self, "smollm2-real-ids")
        for (label, bytes) in try Fixture.inputs() {
            let ids = tokenizer.encode(bytes, addSpecial: false, parseSpecial: true)
            #expect(ids == expected.ids[label], "\(label)")
            let covered = bytes.filter { !tokenizer.bytesWithoutToken.contains($0) }
            #expect(tokenizer.decodeBytes(ids, skipSpecial: false) == covered, "\(label)")
            if let plain = expected.idsWithoutSpecial[label] {
                #expect(tokenizer.encode(bytes, addSpecial: false, parseSpecial: false) == plain, "\(label)")
            }
        }
    }

    @Test("takes little memory")
    func memory() throws {
        let tokenizer = try BytePairTokenizer(
            RealVocabulary.load(try #require(TestResources.defaultModelPath)).vocabulary)
        // 49,152 tokens of 6 bytes and 48,900 merges of two ids and a result, in hash tables half to two thirds full.
        #expect(tokenizer.byteCount < 1_900_000)
    }

    @Test("ends generation where the model means to stop, and has the fixture's template")
    func tokensAndTemplate() throws {
        let (vocabulary, source) = try RealVocabulary.load(try #require(TestResources.defaultModelPath))
        let tokenizer = try BytePairTokenizer(vocabulary)
        #expect(tokenizer.vocabularySize == 49_152)
        #expect(tokenizer.endOfGenerationIDs.isSuperset(of: [0, 2]))
        #expect(!tokenizer.endOfGenerationIDs.contains(1))
        let fixtures = try Fixture.load([Fixture.Template].self, "chat-templates")
        #expect(fixtures.contains { $0.name == "SmolLM2" && $0.source == source })
    }
}

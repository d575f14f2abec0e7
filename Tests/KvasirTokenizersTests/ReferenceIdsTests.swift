import KvasirTokenizers
import Testing

@Suite("Ids are those of the reference library")
struct ReferenceIdsTests {
    @Test("for every input, with special tokens parsed", arguments: PreTokenizer.allCases)
    func parsed(_ name: PreTokenizer) throws {
        let tokenizer = try Fixture.tokenizer(name)
        let expected = try Fixture.ids(name).ids
        let inputs = try Fixture.inputs()
        #expect(Set(inputs.keys) == Set(expected.keys))
        for (label, bytes) in inputs {
            let ids = tokenizer.encode(bytes, addSpecial: false, parseSpecial: true)
            #expect(ids == expected[label], "\(label)")
        }
    }

    @Test("for special tokens taken as text", arguments: PreTokenizer.allCases)
    func unparsed(_ name: PreTokenizer) throws {
        let tokenizer = try Fixture.tokenizer(name)
        let expected = try Fixture.ids(name).idsWithoutSpecial
        let inputs = try Fixture.inputs()
        #expect(!expected.isEmpty)
        for (label, ids) in expected {
            let bytes = try #require(inputs[label])
            #expect(tokenizer.encode(bytes, addSpecial: false, parseSpecial: false) == ids, "\(label)")
        }
    }

    @Test("whether the text comes as a string or as bytes", arguments: PreTokenizer.allCases)
    func stringOrBytes(_ name: PreTokenizer) throws {
        let tokenizer = try Fixture.tokenizer(name)
        for bytes in try Fixture.inputs().values {
            guard let text = String(validating: bytes, as: UTF8.self) else { continue }
            #expect(
                tokenizer.encode(text, addSpecial: true, parseSpecial: true)
                    == tokenizer.encode(bytes, addSpecial: true, parseSpecial: true))
        }
    }
}

import Foundation
import KvasirTokenizers
import KvasirWeights
import Testing

@testable import KvasirEngine

/// SentencePiece vocabularies in GGUF files; scripts/fixtures/make-sentencepiece-vectors.py makes them.
struct SentencePieceGGUFTests {
    private struct Expected: Decodable { let ids: [String: [Int32]] }

    private func tokenizer(_ name: String) throws -> any Tokenizer {
        let file = try GGUFFile(path: TinyFolder.fixtureURL("spm-\(name).gguf").path)
        return try TokenizerVocabulary(file).tokenizer()
    }

    @Test(arguments: ["llama", "gemma"]) func idsAreThoseOfTheModelTheyCameFrom(_ name: String) throws {
        let tokenizer = try tokenizer(name)
        let inputs = try JSONDecoder().decode([String: String].self, from: TinyFolder.fixture("tokenizer-inputs.json"))
        let expected = try JSONDecoder().decode(
            [String: Expected].self, from: TinyFolder.fixture("sentencepiece-ids.json"))
        var compared = 0
        for (label, ids) in try #require(expected["spm-\(name)"]).ids {
            // After a user-defined token a GGUF file's tokenizer puts a space, as llama.cpp does; the library does not.
            if name == "llama", label.contains("user-defined") { continue }
            let hex = try #require(inputs[label])
            let bytes = stride(from: 0, to: hex.utf8.count, by: 2).map { offset in
                UInt8(hex.dropFirst(offset).prefix(2), radix: 16) ?? 0
            }
            #expect(tokenizer.encode(bytes, addSpecial: false, parseSpecial: false) == ids, "\(label)")
            compared += 1
        }
        #expect(compared > 60)
        #expect(tokenizer.prefixesSpace == (name == "llama"))
        #expect(tokenizer.encode("x", addSpecial: true, parseSpecial: false).first == tokenizer.bosID)
    }

    @Test func aSpaceGoesAfterTokensThatAreMatchedAsWritten() throws {
        let tokenizer = try tokenizer("llama")
        let tool = try #require(tokenizer.id(of: "<tool>"))
        let plain = tokenizer.encode("the", addSpecial: false, parseSpecial: false)
        #expect(tokenizer.encode("<tool>the", addSpecial: false, parseSpecial: false) == [tool] + plain)
    }
}

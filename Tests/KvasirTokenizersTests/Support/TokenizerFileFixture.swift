import Foundation
import KvasirJSON

@testable import KvasirTokenizers

/// Tokenizers in the files of other libraries; scripts/fixtures/make-sentencepiece-vectors.py makes them.
enum TokenizerFileFixture {
    /// What the reference library gave.
    struct Expected: Decodable {
        let ids: [String: [Int32]]
        let around: [Int32]?
        let decoded: [String: String]?
    }

    static let sentencePiece = ["llama", "gemma", "unigram", "unigram-bytes", "sentences"]
    static let huggingFace = ["llama", "gemma", "mistral", "unknown", "unigram", "gpt2", "llama3", "qwen2"]

    static func bytes(_ name: String) throws -> [UInt8] {
        guard let url = Bundle.module.url(forResource: "Fixtures/\(name)", withExtension: nil) else {
            throw Fixture.Missing(name: name)
        }
        return [UInt8](try Data(contentsOf: url))
    }

    static func file(_ name: String) throws -> FileBytes { FileBytes(path: name, try bytes(name)) }

    static func expected() throws -> [String: Expected] {
        try Fixture.load([String: Expected].self, "sentencepiece-ids")
    }

    static func sentencePiece(_ name: String) throws -> any Tokenizer {
        try TokenizerVocabulary(sentencePieceModel: file("spm-\(name).model")).tokenizer()
    }

    static func huggingFace(_ name: String) throws -> any Tokenizer {
        try TokenizerVocabulary(tokenizerJSON: file("hf-\(name).json")).tokenizer()
    }
}

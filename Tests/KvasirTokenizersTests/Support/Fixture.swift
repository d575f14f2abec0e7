import Foundation
import KvasirTokenizers

/// The committed vectors; scripts/fixtures/make-tokenizer-vectors.py makes them.
enum Fixture {
    /// The ids of every input text, as the reference library gives them.
    struct Ids: Decodable {
        let ids: [String: [Int32]]
        let idsWithoutSpecial: [String: [Int32]]
    }

    /// A small trained vocabulary.
    struct Vocabulary: Decodable {
        let preTokenizer: String
        let tokens: [String]
        let types: [Int32]
        let merges: [String]
    }

    struct Message: Decodable {
        let role: String
        let content: String
    }

    struct Rendering: Decodable {
        let messages: [Message]
        let addGenerationPrompt: Bool
        let text: String
    }

    struct Template: Decodable {
        let name: String
        let source: String
        let bosToken: String
        let renderings: [Rendering]
    }

    /// A template of Qwen, with and without thoughts.
    struct QwenTemplate: Decodable {
        struct Rendering: Decodable {
            let messages: [Message]
            let addGenerationPrompt: Bool
            let thinks: Bool
            let text: String
        }

        let name: String
        let source: String
        let renderings: [Rendering]
    }

    /// A template that refuses some conversations: their renderings have no text.
    struct TurnTemplate: Decodable {
        struct Rendering: Decodable {
            let messages: [Message]
            let addGenerationPrompt: Bool
            let text: String?
        }

        let name: String
        let source: String
        let bosToken: String
        let eosToken: String
        let renderings: [Rendering]
    }

    struct Missing: Error { let name: String }

    static func load<T: Decodable>(_ type: T.Type, _ name: String) throws -> T {
        guard let url = Bundle.module.url(forResource: "Fixtures/\(name)", withExtension: "json") else {
            throw Missing(name: name)
        }
        return try JSONDecoder().decode(type, from: Data(contentsOf: url))
    }

    /// The input texts, some of which are not UTF-8.
    static func inputs() throws -> [String: [UInt8]] {
        try load([String: String].self, "tokenizer-inputs").mapValues { hex in
            stride(from: 0, to: hex.utf8.count, by: 2).map { offset in
                UInt8(hex.dropFirst(offset).prefix(2), radix: 16) ?? 0
            }
        }
    }

    static func ids(_ name: PreTokenizer) throws -> Ids { try load(Ids.self, "tokenizer-\(name.rawValue)") }

    static func vocabulary(_ name: PreTokenizer) throws -> TokenizerVocabulary {
        let fixture = try load(Vocabulary.self, "tokenizer-\(name.rawValue)")
        return TokenizerVocabulary(
            tokens: ByteStrings(fixture.tokens), types: fixture.types.compactMap(TokenizerVocabulary.TokenType.init),
            merges: ByteStrings(fixture.merges), preTokenizer: fixture.preTokenizer, addsBOS: false)
    }

    static func tokenizer(_ name: PreTokenizer) throws -> BytePairTokenizer {
        try BytePairTokenizer(vocabulary(name))
    }
}

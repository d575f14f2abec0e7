import KvasirTokenizers
import KvasirWeights

/// The vocabulary of the default model's file, where this machine has it.
enum RealVocabulary {
    static func load(_ path: String) throws -> (vocabulary: TokenizerVocabulary, chatTemplate: String) {
        let metadata = try GGUFFile(path: path).metadata
        let vocabulary = TokenizerVocabulary(
            tokens: Self.strings(try metadata.stringViews(forKey: "tokenizer.ggml.tokens")),
            types: try metadata.integers(forKey: "tokenizer.ggml.token_type").compactMap {
                TokenizerVocabulary.TokenType(rawValue: Int32($0))
            },
            merges: Self.strings(try metadata.stringViews(forKey: "tokenizer.ggml.merges")),
            preTokenizer: try metadata.string(forKey: "tokenizer.ggml.pre"),
            bosID: Int32(try metadata.integer(forKey: "tokenizer.ggml.bos_token_id")),
            eosID: Int32(try metadata.integer(forKey: "tokenizer.ggml.eos_token_id")),
            addsBOS: try metadata.bool(forKey: "tokenizer.ggml.add_bos_token"))
        return (vocabulary, try metadata.string(forKey: "tokenizer.chat_template"))
    }

    private static func strings(_ strings: GGUFStrings) -> ByteStrings {
        ByteStrings(count: strings.count) { visit in
            for string in strings {
                guard string.withMemoryRebound(to: UInt8.self, visit) else { return }
            }
        }
    }
}

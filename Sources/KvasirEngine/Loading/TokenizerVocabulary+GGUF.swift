internal import KvasirTokenizers
internal import KvasirWeights

extension TokenizerVocabulary {
    /// Reads the vocabulary of a GGUF file: the keys `tokenizer.ggml.*`.
    ///
    /// - Throws: `GGUFError` for a key that is missing or of another type, `EngineError` for a kind of tokenizer that is
    ///   not supported.
    init(_ file: GGUFFile) throws {
        let prefix = "tokenizer.ggml."
        let kind = try file.metadata.string(forKey: prefix + "model")
        guard kind == "gpt2" else {
            throw EngineError(
                .unsupportedTokenizer, received: "\(prefix)model = \(kind)",
                remedy: "only byte-level BPE ('gpt2') is supported; use a model with such a tokenizer")
        }
        func id(_ key: String) throws -> Int32? {
            guard let value = try file.metadata.integer(ifPresent: prefix + key) else { return nil }
            guard let id = Int32(exactly: value) else {
                throw EngineError(
                    .inconsistentFile, received: "\(prefix)\(key) = \(value)",
                    remedy: "expected a token id; the file is inconsistent, use another")
            }
            return id
        }
        let types = try (file.metadata.integers(ifPresent: prefix + "token_type") ?? []).map { number in
            // An unknown type is some new kind of ordinary token, as for the reference implementation.
            Int32(exactly: number).flatMap(TokenType.init(rawValue:)) ?? .normal
        }
        let further = try ["eom_token_id", "fim_pad_token_id", "fim_rep_token_id", "fim_sep_token_id"].compactMap(id)
        self.init(
            tokens: try file.metadata.strings(forKey: prefix + "tokens"), types: types,
            merges: try file.metadata.strings(forKey: prefix + "merges"),
            preTokenizer: try file.metadata.string(ifPresent: prefix + "pre") ?? "default",
            bosID: try id("bos_token_id"),
            eosID: try id("eos_token_id"), eotID: try id("eot_token_id"), unknownID: try id("unknown_token_id"),
            paddingID: try id("padding_token_id"), endOfGenerationIDs: Set(further),
            addsBOS: try file.metadata.bool(ifPresent: prefix + "add_bos_token"),
            addsEOS: try file.metadata.bool(ifPresent: prefix + "add_eos_token"))
    }
}

internal import KvasirTokenizers
internal import KvasirWeights

extension ByteStrings {
    /// The strings of a GGUF array, visited in the file.
    init(_ strings: GGUFStrings) {
        self.init(count: strings.count) { visit in
            for string in strings {
                guard string.withMemoryRebound(to: UInt8.self, visit) else { return }
            }
        }
    }
}

extension TokenizerVocabulary {
    /// Reads the vocabulary of a GGUF file: the keys `tokenizer.ggml.*`.
    ///
    /// - Throws: `GGUFError` for a key that is missing or of another type, `EngineError` for a kind of tokenizer that is
    ///   not supported.
    init(_ file: GGUFFile) throws {
        let prefix = "tokenizer.ggml."
        let metadata = file.metadata
        let kind = try metadata.string(forKey: prefix + "model")
        guard let algorithm = ["gpt2": Algorithm.byteLevel, "llama": .scores][kind] else {
            throw EngineError(
                .unsupportedTokenizer, received: "\(prefix)model = \(kind)",
                remedy: "supported are byte-level BPE ('gpt2') and SentencePiece BPE ('llama'); use a model with one")
        }
        func id(_ key: String) throws -> Int32? {
            guard let value = try metadata.integer(ifPresent: prefix + key) else { return nil }
            guard let id = Int32(exactly: value) else {
                throw EngineError(
                    .inconsistentFile, received: "\(prefix)\(key) = \(value)",
                    remedy: "expected a token id; the file is inconsistent, use another")
            }
            return id
        }
        let types = try (metadata.integers(ifPresent: prefix + "token_type") ?? []).map { number in
            // An unknown type is some new kind of ordinary token, as for the reference implementation.
            Int32(exactly: number).flatMap(TokenType.init(rawValue:)) ?? .normal
        }
        let further = try ["eom_token_id", "fim_pad_token_id", "fim_rep_token_id", "fim_sep_token_id"].compactMap(id)
        let isByteLevel = algorithm == .byteLevel
        self.init(
            algorithm: algorithm, tokens: ByteStrings(try metadata.stringViews(forKey: prefix + "tokens")),
            types: types,
            merges: isByteLevel ? ByteStrings(try metadata.stringViews(forKey: prefix + "merges")) : [],
            scores: isByteLevel ? [] : try metadata.floats(forKey: prefix + "scores").map(Double.init),
            preTokenizer: try metadata.string(ifPresent: prefix + "pre") ?? "default",
            spaces: isByteLevel ? Spaces() : try Self.spaces(metadata), bosID: try id("bos_token_id"),
            eosID: try id("eos_token_id"), eotID: try id("eot_token_id"), unknownID: try id("unknown_token_id"),
            paddingID: try id("padding_token_id"), endOfGenerationIDs: Set(further),
            addsBOS: try metadata.bool(ifPresent: prefix + "add_bos_token"),
            addsEOS: try metadata.bool(ifPresent: prefix + "add_eos_token"))
    }

    /// A file's treatment of spaces.
    ///
    /// Like llama.cpp, a space goes before the text and after every token that is matched
    /// as it is written, unless the file says otherwise.
    private static func spaces(_ metadata: GGUFMetadata) throws -> Spaces {
        let charsMap = "tokenizer.ggml.precompiled_charsmap"
        if let map = metadata[charsMap], case .array(let array) = map, array.count > 0 {
            throw EngineError(
                .unsupportedTokenizer, received: charsMap,
                remedy: "text normalization by a table is not supported; use a model without it")
        }
        return Spaces(
            prefix: try metadata.bool(ifPresent: "tokenizer.ggml.add_space_prefix") ?? true ? .everyFragment : .none)
    }
}

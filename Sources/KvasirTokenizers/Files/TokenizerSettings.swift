public import KvasirJSON

/// What a model folder says of its tokenizer beside the vocabulary: tokenizer_config.json, special_tokens_map.json.
public struct TokenizerSettings: Sendable {
    /// A token that was added to a vocabulary.
    struct AddedToken: Sendable, Hashable {
        let id: Int
        let text: String
        let isSpecial: Bool
    }

    /// `bos_token` and its like, by text.
    var bosToken: String?
    var eosToken: String?
    var unknownToken: String?
    var paddingToken: String?
    /// Texts of all tokens that are signs of the model's own.
    var specialTexts: Set<String> = []
    var addedTokens: [AddedToken] = []
    var addsBOS: Bool?
    var addsEOS: Bool?
    var prefixesSpace: Bool?
    var legacy: Bool?
    /// The class of the reference library that reads the files, without `Fast`.
    var tokenizerClass: String?

    /// Says nothing.
    public init() {}

    /// Reads the members that matter.
    ///
    /// - Parameters:
    ///   - configuration: tokenizer_config.json, if there is one.
    ///   - specialTokens: special_tokens_map.json, if there is one; what both say, the former decides.
    public init(configuration: JSONValue?, specialTokens: JSONValue? = nil) {
        for source in [specialTokens, configuration] {
            guard let source else { continue }
            bosToken = Self.text(source["bos_token"]) ?? bosToken
            eosToken = Self.text(source["eos_token"]) ?? eosToken
            unknownToken = Self.text(source["unk_token"]) ?? unknownToken
            paddingToken = Self.text(source["pad_token"]) ?? paddingToken
            for token in source["additional_special_tokens"]?.array ?? [] {
                if let text = Self.text(token) { specialTexts.insert(text) }
            }
        }
        for case let text? in [bosToken, eosToken, unknownToken, paddingToken] { specialTexts.insert(text) }
        addsBOS = configuration?["add_bos_token"]?.bool
        addsEOS = configuration?["add_eos_token"]?.bool
        prefixesSpace = configuration?["add_prefix_space"]?.bool
        legacy = configuration?["legacy"]?.bool
        if let name = configuration?["tokenizer_class"]?.string {
            tokenizerClass = name.hasSuffix("Fast") ? String(name.dropLast(4)) : name
        }
        for (key, value) in configuration?["added_tokens_decoder"]?.object ?? [:] {
            guard let id = Int(key), let text = value["content"]?.string else { continue }
            addedTokens.append(AddedToken(id: id, text: text, isSpecial: value["special"]?.bool ?? false))
        }
        addedTokens.sort { $0.id < $1.id }
    }

    /// A token is written as its text, or as an object that holds it.
    private static func text(_ value: JSONValue?) -> String? { value?.string ?? value?["content"]?.string }
}

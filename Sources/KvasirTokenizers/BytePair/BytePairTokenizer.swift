/// Byte-level byte-pair encoding: text to token ids and back.
///
/// Follows the Hugging Face reference library (`tokenizers`): special tokens first, the longest at the leftmost place;
/// then the pre-tokenizer; then merges within each piece, lowest rank first. Sennrich et al., "Neural Machine
/// Translation of Rare Words with Subword Units", 2016; the byte level is GPT-2's.
///
/// Where llama.cpp does otherwise, the library's way is taken: llama.cpp looks for the longest special token anywhere in
/// the text before shorter ones, merges up to a byte without a token but not across it, and knows no U+017F in
/// contractions.
///
/// Two things differ from the library on purpose. Bytes that are not UTF-8 are encoded as they are, where it would see
/// replacement characters. And text is never normalized, where Qwen2's definition there asks for composition (NFC), so
/// that decoding gives back exactly what was encoded; composed text, which is nearly all there is, has the same ids.
///
/// A vocabulary may lack tokens for bytes that its training never met. Like the library, `encode` leaves such bytes out;
/// `bytesWithoutToken` lists them. All other bytes come back from `decode` as they were.
public struct BytePairTokenizer: Sendable {
    /// How text is cut before merging.
    public let preTokenizer: PreTokenizer
    /// Begins a text.
    public let bosID: Int32?
    /// Ends a text.
    public let eosID: Int32?
    /// Ends a turn.
    public let eotID: Int32?
    /// Stands for what has no token; `encode` never uses it.
    public let unknownID: Int32?
    /// Fills up a batch.
    public let paddingID: Int32?
    /// Whether `encode` puts `bosID` before a text when asked to add special tokens.
    public let addsBOS: Bool
    /// Whether `encode` puts `eosID` after a text when asked to add special tokens.
    public let addsEOS: Bool
    /// Every token that ends generation: those the file names and those known by their text, such as `<|im_end|>`.
    public let endOfGenerationIDs: Set<Int32>
    /// The bytes that no token stands for, in ascending order; empty in most vocabularies.
    public let bytesWithoutToken: [UInt8]

    let merges: MergeTable
    /// The token of each byte, or -1.
    let byteTokens: [Int32]
    let index: TokenIndex
    /// All tokens written as they are, and those of them that are ordinary text.
    let specialTokens: SpecialTokenTrie
    let userDefinedTokens: SpecialTokenTrie
    private let types: [TokenizerVocabulary.TokenType]
    /// The bytes of all tokens one after another, and where each ends.
    private let tokenText: [UInt8]
    private let tokenEnds: [Int]

    /// Checks a vocabulary and prepares its tables.
    ///
    /// - Throws: `TokenizerError` that names the entry at fault.
    public init(_ vocabulary: TokenizerVocabulary) throws(TokenizerError) {
        preTokenizer = try PreTokenizer(named: vocabulary.preTokenizer)
        try Self.validate(vocabulary)
        let tokens = vocabulary.tokens
        let types =
            vocabulary.types.isEmpty
            ? [TokenizerVocabulary.TokenType](repeating: .normal, count: tokens.count) : vocabulary.types
        self.types = types
        bosID = vocabulary.bosID
        eosID = vocabulary.eosID
        eotID = vocabulary.eotID
        unknownID = vocabulary.unknownID
        paddingID = vocabulary.paddingID
        addsBOS = vocabulary.addsBOS ?? preTokenizer.addsBOSByDefault
        addsEOS = vocabulary.addsEOS ?? false
        if addsBOS, bosID == nil { throw TokenizerError(.missingID(name: "bos_token_id")) }
        if addsEOS, eosID == nil { throw TokenizerError(.missingID(name: "eos_token_id")) }
        endOfGenerationIDs = EndOfGeneration.ids(in: vocabulary)

        let index = TokenIndex(tokens)
        self.index = index
        byteTokens = (0...255).map { (byte: UInt8) in
            var text: [UInt8] = []
            ByteAlphabet.append(byte, to: &text)
            return index.id(of: text[...]) ?? -1
        }
        bytesWithoutToken = byteTokens.enumerated().filter { $0.element < 0 }.map { UInt8($0.offset) }
        merges = try MergeTable(vocabulary.merges, index: index)

        var specialTokens = SpecialTokenTrie()
        var userDefinedTokens = SpecialTokenTrie()
        var tokenText: [UInt8] = []
        var tokenEnds: [Int] = []
        tokenEnds.reserveCapacity(tokens.count)
        for (id, token) in tokens.enumerated() {
            switch types[id] {
            case .control, .unknown: specialTokens.insert(token.utf8, id: Int32(id))
            case .userDefined:
                specialTokens.insert(token.utf8, id: Int32(id))
                userDefinedTokens.insert(token.utf8, id: Int32(id))
            case .normal, .unused, .byte: break
            }
            tokenText.append(contentsOf: Self.bytes(of: token, type: types[id]))
            tokenEnds.append(tokenText.count)
        }
        self.specialTokens = specialTokens
        self.userDefinedTokens = userDefinedTokens
        self.tokenText = tokenText
        self.tokenEnds = tokenEnds
    }

    /// The number of ids.
    public var vocabularySize: Int { types.count }

    /// The id of the token with this text in the vocabulary, such as `<|im_start|>`.
    public func id(of token: String) -> Int32? { index.id(of: Array(token.utf8)[...]) }

    /// Whether the token is a sign of the model's own and no text.
    public func isSpecial(_ id: Int32) -> Bool {
        guard types.indices.contains(Int(id)) else { return false }
        return types[Int(id)] == .control || types[Int(id)] == .unknown
    }

    /// The bytes a token stands for, or nil where there is no such id; of a special token its text.
    public func tokenBytes(_ id: Int32) -> ArraySlice<UInt8>? {
        guard types.indices.contains(Int(id)) else { return nil }
        return tokenText[(id == 0 ? 0 : tokenEnds[Int(id) - 1])..<tokenEnds[Int(id)]]
    }

    private static func validate(_ vocabulary: TokenizerVocabulary) throws(TokenizerError) {
        let count = vocabulary.tokens.count
        guard count > 0 else { throw TokenizerError(.noTokens) }
        guard count <= MergeTable.rankLimit else { throw TokenizerError(.tooMany(what: "tokens", count: count)) }
        guard vocabulary.types.isEmpty || vocabulary.types.count == count else {
            throw TokenizerError(.typeCount(tokens: count, types: vocabulary.types.count))
        }
        let named: [(String, Int32?)] = [
            ("bos_token_id", vocabulary.bosID), ("eos_token_id", vocabulary.eosID),
            ("eot_token_id", vocabulary.eotID), ("unknown_token_id", vocabulary.unknownID),
            ("padding_token_id", vocabulary.paddingID),
        ]
        let further = vocabulary.endOfGenerationIDs.sorted().map { ("end-of-generation id", Optional($0)) }
        for case (let name, let id?) in named + further where !(0..<count).contains(Int(id)) {
            throw TokenizerError(.idOutOfRange(name: name, id: id, tokens: count))
        }
    }

    private static func bytes(of token: String, type: TokenizerVocabulary.TokenType) -> [UInt8] {
        switch type {
        case .control, .unknown, .userDefined: return Array(token.utf8)
        case .unused: return []
        case .byte:
            let text = Array(token.utf8)
            let isEscape = text.count == 6 && token.hasPrefix("<0x") && token.hasSuffix(">")
            return isEscape ? UInt8(token.dropFirst(3).prefix(2), radix: 16).map { [$0] } ?? text : text
        // A text outside the alphabet stands for itself, as in the reference library.
        case .normal: return ByteAlphabet.decode(token) ?? Array(token.utf8)
        }
    }
}

extension MergeTable {
    /// Resolves merges written as two tokens with a space between.
    init(_ merges: [String], index: TokenIndex) throws(TokenizerError) {
        guard merges.count <= Self.rankLimit else {
            throw TokenizerError(.tooMany(what: "merges", count: merges.count))
        }
        self.init(count: merges.count)
        for (rank, merge) in merges.enumerated() {
            var text = Array(merge.utf8)
            guard let space = text.firstIndex(of: 0x20), space > 0, space + 1 < text.count,
                !text[(space + 1)...].contains(0x20)
            else { throw TokenizerError(.malformedMerge(index: rank, text: merge)) }
            func id(of token: ArraySlice<UInt8>) throws(TokenizerError) -> Int32 {
                guard let id = index.id(of: token) else {
                    let token = String(decoding: token, as: UTF8.self)
                    throw TokenizerError(.unknownTokenInMerge(index: rank, text: merge, token: token))
                }
                return id
            }
            let left = try id(of: text[..<space])
            let right = try id(of: text[(space + 1)...])
            text.remove(at: space)
            append(left: left, right: right, result: try id(of: text[...]))
        }
    }
}

/// A vocabulary ready for use: the bytes of every token, the ids with a meaning, and the tokens that are matched in a
/// text as they are written.
public struct Vocabulary: Sendable {
    /// Begins a text.
    public let bosID: Int32?
    /// Ends a text.
    public let eosID: Int32?
    /// Ends a turn.
    public let eotID: Int32?
    /// Stands for what has no token.
    public let unknownID: Int32?
    /// Fills up a batch.
    public let paddingID: Int32?
    /// Whether `encode` puts `bosID` before a text when asked to add special tokens.
    public let addsBOS: Bool
    /// Whether `encode` puts `eosID` after a text when asked to add special tokens.
    public let addsEOS: Bool
    /// Every token that ends generation: those the file names and those known by their text, such as `<|im_end|>`.
    public let endOfGenerationIDs: Set<Int32>

    let tokens: TokenTable
    /// All tokens written as they are, and those of them that are ordinary text.
    let specialTokens: SpecialTokenTrie
    let userDefinedTokens: SpecialTokenTrie

    /// The bytes of `<0x00>` to `<0xFF>`.
    private static let allBytes = [UInt8](0...255)

    init(_ source: TokenizerVocabulary, coding: TokenCoding, addsBOSByDefault: Bool) throws(TokenizerError) {
        tokens = try TokenTable(source.tokens, types: source.types, coding: coding)
        try Self.checkIDs(source)
        bosID = source.bosID
        eosID = source.eosID
        eotID = source.eotID
        unknownID = source.unknownID
        paddingID = source.paddingID
        addsBOS = source.addsBOS ?? addsBOSByDefault
        addsEOS = source.addsEOS ?? false
        if addsBOS, bosID == nil { throw TokenizerError(.missingID(name: "bos_token_id")) }
        if addsEOS, eosID == nil { throw TokenizerError(.missingID(name: "eos_token_id")) }

        var specialTokens = SpecialTokenTrie()
        var userDefinedTokens = SpecialTokenTrie()
        var ends = source.endOfGenerationIDs
        for case let id? in [source.eosID, source.eotID] { ends.insert(id) }
        if !source.types.isEmpty {
            // The texts as the file writes them, not as they are decoded.
            source.tokens.forEach { (index, text) in
                let type = source.types[index]
                guard [.control, .unknown, .userDefined].contains(type) else { return }
                specialTokens.insert(text, id: Int32(index))
                if type == .userDefined { userDefinedTokens.insert(text, id: Int32(index)) }
                // A text counts only where the token is no ordinary piece of text: one may have learned `</s>` from HTML.
                if type != .unknown, EndOfGeneration.contains(text) { ends.insert(Int32(index)) }
            }
        }
        self.specialTokens = specialTokens
        self.userDefinedTokens = userDefinedTokens
        endOfGenerationIDs = ends
    }

    /// The number of ids.
    public var count: Int { tokens.count }

    /// The bytes the tables of tokens hold in memory.
    var byteCount: Int { tokens.byteCount + specialTokens.byteCount + userDefinedTokens.byteCount }

    /// The id of the token with this text in the vocabulary, such as `<|im_start|>`.
    public func id(of token: String) -> Int32? {
        var scratch: [UInt8] = []
        return tokens.id(ofText: Array(token.utf8), scratch: &scratch)
    }

    /// Whether the token is a sign of the model's own and no text.
    public func isSpecial(_ id: Int32) -> Bool {
        guard id >= 0, id < count else { return false }
        let type = tokens.type(of: Int(id))
        return type == .control || type == .unknown
    }

    /// The bytes a token stands for, or nil where there is no such id; of a special token its text.
    public func tokenBytes(_ id: Int32) -> ArraySlice<UInt8>? {
        guard id >= 0, id < count else { return nil }
        let bytes = tokens.bytes(of: Int(id))
        switch tokens.type(of: Int(id)) {
        case .unused: return []
        case .byte:
            guard let byte = Self.escapedByte(bytes) else { return bytes }
            return Self.allBytes[Int(byte)...Int(byte)]
        default: return bytes
        }
    }

    /// The byte that `<0x0A>` and its like stand for.
    static func escapedByte(_ text: some Collection<UInt8>) -> UInt8? {
        guard text.count == 6, text.starts(with: "<0x".utf8), text.dropFirst(5).first == UInt8(ascii: ">") else {
            return nil
        }
        return UInt8(String(decoding: text.dropFirst(3).prefix(2), as: UTF8.self), radix: 16)
    }

    private static func checkIDs(_ source: TokenizerVocabulary) throws(TokenizerError) {
        let named: [(String, Int32?)] = [
            ("bos_token_id", source.bosID), ("eos_token_id", source.eosID), ("eot_token_id", source.eotID),
            ("unknown_token_id", source.unknownID), ("padding_token_id", source.paddingID),
        ]
        let further = source.endOfGenerationIDs.sorted().map { ("end-of-generation id", Optional($0)) }
        for case (let name, let id?) in named + further where !(0..<source.tokens.count).contains(Int(id)) {
            throw TokenizerError(.idOutOfRange(name: name, id: id, tokens: source.tokens.count))
        }
    }
}

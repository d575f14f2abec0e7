/// Text to token ids and back.
public protocol Tokenizer: Sendable {
    /// The tokens, and the ids with a meaning.
    var vocabulary: Vocabulary { get }

    /// Whether `encode` puts a space before a text that has none; `decode` can take it away again.
    var prefixesSpace: Bool { get }

    /// The token ids of bytes, which need not be UTF-8.
    ///
    /// - Parameters:
    ///   - bytes: The text.
    ///   - addSpecial: Whether the ids the model wants before and after a text are added (`addsBOS`, `addsEOS`).
    ///   - parseSpecial: Whether special tokens written in the text, such as `<|im_end|>`, become their ids. User-defined
    ///     tokens always do.
    /// - Returns: Ids below `vocabularySize`.
    /// - Complexity: O(*n* log *n*) for *n* bytes without a break, O(*n*) for ordinary text.
    func encode(_ bytes: [UInt8], addSpecial: Bool, parseSpecial: Bool) -> [Int32]
}

extension Tokenizer {
    /// The token ids of a text; parameters as for bytes.
    public func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int32] {
        encode(Array(text.utf8), addSpecial: addSpecial, parseSpecial: parseSpecial)
    }

    /// The bytes that ids stand for; ids outside the vocabulary stand for none, as in the reference libraries.
    ///
    /// - Parameters:
    ///   - ids: The tokens.
    ///   - skipSpecial: Whether special tokens give nothing, or their text.
    ///   - startsText: Whether the ids are a text from its beginning, and not the continuation of one: then the space
    ///     that `encode` put before it goes.
    public func decodeBytes(
        _ ids: some Sequence<Int32>, skipSpecial: Bool = true, startsText: Bool = false
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        for id in ids where !(skipSpecial && isSpecial(id)) {
            if let token = tokenBytes(id) { bytes.append(contentsOf: token) }
        }
        if startsText, prefixesSpace, bytes.first == 0x20 { bytes.removeFirst() }
        return bytes
    }

    /// The text that ids stand for; what is not UTF-8 becomes the replacement character U+FFFD.
    ///
    /// Parameters as for bytes.
    public func decode(
        _ ids: some Sequence<Int32>, skipSpecial: Bool = true, startsText: Bool = false
    ) -> String {
        String(decoding: decodeBytes(ids, skipSpecial: skipSpecial, startsText: startsText), as: UTF8.self)
    }

    /// The number of ids.
    public var vocabularySize: Int { vocabulary.count }
    /// Begins a text.
    public var bosID: Int32? { vocabulary.bosID }
    /// Ends a text.
    public var eosID: Int32? { vocabulary.eosID }
    /// Ends a turn.
    public var eotID: Int32? { vocabulary.eotID }
    /// Stands for what has no token.
    public var unknownID: Int32? { vocabulary.unknownID }
    /// Fills up a batch.
    public var paddingID: Int32? { vocabulary.paddingID }
    /// Whether `encode` puts `bosID` before a text when asked to add special tokens.
    public var addsBOS: Bool { vocabulary.addsBOS }
    /// Whether `encode` puts `eosID` after a text when asked to add special tokens.
    public var addsEOS: Bool { vocabulary.addsEOS }
    /// Every token that ends generation.
    public var endOfGenerationIDs: Set<Int32> { vocabulary.endOfGenerationIDs }
    /// The id of the token with this text in the vocabulary, such as `<|im_start|>`.
    public func id(of token: String) -> Int32? { vocabulary.id(of: token) }
    /// Whether the token is a sign of the model's own and no text.
    public func isSpecial(_ id: Int32) -> Bool { vocabulary.isSpecial(id) }
    /// The bytes a token stands for, or nil where there is no such id; of a special token its text.
    public func tokenBytes(_ id: Int32) -> ArraySlice<UInt8>? { vocabulary.tokenBytes(id) }
}

extension SentencePieceTokenizer {
    /// The token ids of bytes, which need not be UTF-8.
    public func encode(_ bytes: [UInt8], addSpecial: Bool, parseSpecial: Bool) -> [Int32] {
        var ids: [Int32] = []
        ids.reserveCapacity(bytes.count / 3 + 2)
        if addSpecial, addsBOS, let bosID { ids.append(bosID) }
        var encoder = SentencePieceEncoder(self)
        let bytes = spaces.collapses ? Self.collapsed(bytes) : bytes
        let trie = parseSpecial ? vocabulary.specialTokens : vocabulary.userDefinedTokens
        // A text that begins with a token written as it is has an empty first fragment; only `text` puts a space there.
        var prefix = !bytes.isEmpty && spaces.prefix != .none
        var start = 0
        while let match = trie.firstMatch(in: bytes, from: start) {
            let fragment = start..<match.range.lowerBound
            if !fragment.isEmpty || (prefix && start == 0 && spaces.prefix == .text) {
                encoder.append(bytes[fragment], prefix: prefix, to: &ids)
            }
            ids.append(match.id)
            start = match.range.upperBound
            prefix = spaces.prefix == .everyFragment
        }
        if start < bytes.count { encoder.append(bytes[start...], prefix: prefix, to: &ids) }
        if addSpecial, addsEOS, let eosID { ids.append(eosID) }
        return ids
    }

    /// The text without spaces at its ends, and with one where several are together.
    private static func collapsed(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        _ = Metaspace.decode(bytes, into: &result)
        var kept = 0
        for index in result.indices where result[index] != 0x20 || (kept > 0 && result[kept - 1] != 0x20) {
            result[kept] = result[index]
            kept += 1
        }
        if kept > 0, result[kept - 1] == 0x20 { kept -= 1 }
        result.removeSubrange(kept...)
        return result
    }
}

/// A stretch of text and its token, nil where the vocabulary has none.
struct TextSymbol {
    let range: Range<Int>
    let id: Int32?
}

/// Encodes fragments of a text, reusing its memory.
struct SentencePieceEncoder {
    private let tokenizer: SentencePieceTokenizer
    private var text: [UInt8] = []
    private var characters: [Int32] = []
    private var symbols: [TextSymbol] = []
    private var merger: BytePairMerger?
    private var scoreMerger: ScoreMerger?
    private var lattice: UnigramLattice?
    /// Whether the last id is an unknown token that the next may become one with.
    private var endsUnknown = false

    init(_ tokenizer: SentencePieceTokenizer) {
        self.tokenizer = tokenizer
        switch tokenizer.model {
        case .merges(let merges): merger = BytePairMerger(merges: merges)
        case .scores(let ranks): scoreMerger = ScoreMerger(tokens: tokenizer.vocabulary.tokens, ranks: ranks)
        case .unigram(let scores, let roundsSums):
            lattice = UnigramLattice(tokens: tokenizer.vocabulary.tokens, scores: scores, roundsSums: roundsSums)
        }
    }

    /// Appends the tokens of a fragment, with a space before it if asked.
    mutating func append(_ fragment: ArraySlice<UInt8>, prefix: Bool, to ids: inout [Int32]) {
        text.removeAll(keepingCapacity: true)
        if prefix { text.append(0x20) }
        _ = Metaspace.decode(fragment, into: &text)
        if prefix, !tokenizer.spaces.prefixesSpaces, text.count > 1, text[1] == 0x20 { text.removeFirst() }
        endsUnknown = false
        var start = 0
        while start < text.count {
            let end = endOfPiece(from: start)
            appendPiece(start..<end, to: &ids)
            start = end
        }
    }

    /// The end of the stretch from `start` that no piece of the vocabulary reaches across.
    private func endOfPiece(from start: Int) -> Int {
        var end = start + 1
        if tokenizer.spaces.splits {
            while end < text.count, text[end] != 0x20 { end += 1 }
            return end
        }
        guard !tokenizer.joinsWords else { return text.count }
        while end < text.count, text[end] != 0x20 || text[end - 1] == 0x20 { end += 1 }
        return end
    }

    private mutating func appendPiece(_ piece: Range<Int>, to ids: inout [Int32]) {
        if tokenizer.spaces.splits { endsUnknown = false }
        guard merger == nil else { return appendMerged(piece, to: &ids) }
        symbols.removeAll(keepingCapacity: true)
        scoreMerger?.merge(text, piece, into: &symbols)
        lattice?.cut(text, piece, into: &symbols)
        for symbol in symbols { appendSymbol(symbol.range, symbol.id, to: &ids) }
    }

    /// Characters without a token become the tokens of their bytes before merging, as in Hugging Face's library.
    private mutating func appendMerged(_ piece: Range<Int>, to ids: inout [Int32]) {
        var characters: [Int32] = []
        swap(&characters, &self.characters)
        characters.removeAll(keepingCapacity: true)
        var index = piece.lowerBound
        while index < piece.upperBound {
            let end = min(index + UTF8Scanner.unitLength(in: text, at: index), piece.upperBound)
            appendSymbol(index..<end, tokenizer.vocabulary.tokens.coded(text[index..<end]), to: &characters)
            index = end
        }
        merger?.merge(characters, into: &ids)
        self.characters = characters
    }

    /// Appends a symbol's token or, where it has none, those of its bytes or the unknown token.
    private mutating func appendSymbol(_ symbol: Range<Int>, _ id: Int32?, to ids: inout [Int32]) {
        if let id {
            ids.append(id)
            endsUnknown = false
            return
        }
        if text[symbol].allSatisfy({ tokenizer.byteTokens[Int($0)] >= 0 }) {
            for byte in text[symbol] { ids.append(tokenizer.byteTokens[Int(byte)]) }
            endsUnknown = false
        } else if let unknown = tokenizer.unknownID, !(endsUnknown && tokenizer.fusesUnknown) {
            ids.append(unknown)
            endsUnknown = true
        }
    }
}

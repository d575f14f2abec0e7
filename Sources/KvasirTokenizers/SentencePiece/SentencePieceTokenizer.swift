/// SentencePiece: text to token ids and back, by merges or by the likeliest cut, a space being a character like others.
///
/// Kudo and Richardson, "SentencePiece: A simple and language independent subword tokenizer and detokenizer for Neural
/// Text Processing", 2018. Follows the reference implementation for scores, and Hugging Face's (`tokenizers`) for merges
/// that are written out.
///
/// Tokens that are matched as they are written come first, the longest at the leftmost place, and cut the text into
/// fragments. In these, U+2581 is a space; a character without a token becomes the tokens of its bytes where the
/// vocabulary has them, and else the unknown token. Bytes that are not UTF-8 are encoded as they are.
public struct SentencePieceTokenizer: Tokenizer {
    /// The tokens, and the ids with a meaning.
    public let vocabulary: Vocabulary
    /// What is done with spaces.
    public let spaces: TokenizerVocabulary.Spaces

    let model: Model
    /// The token of each byte, or -1.
    let byteTokens: [Int32]
    /// Whether several characters without a token become one unknown token together.
    let fusesUnknown: Bool
    /// Whether some piece holds a space after another character, so that text must not be cut before its spaces.
    let joinsWords: Bool

    /// How a fragment becomes tokens.
    enum Model: Sendable {
        /// Pairs of tokens, by rank.
        case merges(MergeTable)
        /// The rank of each token's score, 0 for the highest; equal scores have equal ranks.
        case scores([UInt32])
        /// The score of each token, and whether their sums are rounded to float32.
        case unigram([Double], roundsSums: Bool)
    }

    /// Checks a vocabulary and prepares its tables.
    ///
    /// - Throws: `TokenizerError` that names the entry at fault.
    public init(_ source: TokenizerVocabulary) throws(TokenizerError) {
        let vocabulary = try Vocabulary(source, coding: .metaspace, addsBOSByDefault: true)
        self.vocabulary = vocabulary
        spaces = source.spaces
        fusesUnknown = source.fusesUnknown
        switch source.algorithm {
        case .byteLevel: preconditionFailure("the vocabulary is SentencePiece's")
        case .merges: model = .merges(try MergeTable(source.merges, tokens: vocabulary.tokens))
        case .scores: model = .scores(ScoreRanks.ranks(of: try Self.checkedScores(source)))
        case .unigram: model = .unigram(try Self.checkedScores(source), roundsSums: source.roundsSums)
        }
        var byteTokens = [Int32](repeating: -1, count: 256)
        var joinsWords = false
        for id in 0..<vocabulary.count {
            switch vocabulary.tokens.type(of: id) {
            case .byte:
                if let byte = Vocabulary.escapedByte(vocabulary.tokens.bytes(of: id)) {
                    byteTokens[Int(byte)] = Int32(id)
                }
            case .normal, .unused:
                let text = vocabulary.tokens.bytes(of: id)
                joinsWords = joinsWords || zip(text, text.dropFirst()).contains { $0 != 0x20 && $1 == 0x20 }
            case .control, .unknown, .userDefined: break
            }
        }
        self.byteTokens = byteTokens
        self.joinsWords = joinsWords
        if vocabulary.unknownID == nil, byteTokens.contains(-1) { throw TokenizerError(.noFallback) }
    }

    /// Whether a space is put before a text, or its fragments.
    public var prefixesSpace: Bool { spaces.prefix != .none }

    /// The bytes the tables hold in memory.
    var byteCount: Int {
        let model =
            switch model {
            case .merges(let table): table.byteCount
            case .scores(let ranks): 4 * ranks.capacity
            case .unigram(let scores, _): 8 * scores.capacity
            }
        return vocabulary.byteCount + model
    }

    private static func checkedScores(_ source: TokenizerVocabulary) throws(TokenizerError) -> [Double] {
        guard source.scores.count == source.tokens.count else {
            throw TokenizerError(.scoreCount(tokens: source.tokens.count, scores: source.scores.count))
        }
        if let id = source.scores.firstIndex(where: \.isNaN) { throw TokenizerError(.badScore(id: id)) }
        return source.scores
    }
}

/// Scores as ranks: what merges are ordered by.
enum ScoreRanks {
    /// The rank of each score, 0 for the highest; equal scores have equal ranks.
    static func ranks(of scores: [Double]) -> [UInt32] {
        let order = scores.indices.map { UInt32($0) }.sorted { scores[Int($0)] > scores[Int($1)] }
        var ranks = [UInt32](repeating: 0, count: scores.count)
        var rank: UInt32 = 0
        for (previous, next) in zip(order, order.dropFirst()) {
            if scores[Int(previous)] != scores[Int(next)] { rank += 1 }
            ranks[Int(next)] = rank
        }
        return ranks
    }
}

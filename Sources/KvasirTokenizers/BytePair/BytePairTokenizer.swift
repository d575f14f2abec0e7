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
public struct BytePairTokenizer: Tokenizer {
    /// How text is cut before merging.
    public let preTokenizer: PreTokenizer
    /// The tokens, and the ids with a meaning; `unknownID` is never used by `encode`.
    public let vocabulary: Vocabulary
    /// The bytes that no token stands for, in ascending order; empty in most vocabularies.
    public let bytesWithoutToken: [UInt8]

    /// No: a text's first word has another token than the same word after a space.
    public var prefixesSpace: Bool { false }

    let merges: MergeTable
    /// Whether a piece that is a token as it stands skips the merges.
    let prefersWholePieces: Bool
    /// The token of each byte, or -1.
    let byteTokens: [Int32]

    /// Checks a vocabulary and prepares its tables.
    ///
    /// - Throws: `TokenizerError` that names the entry at fault.
    public init(_ source: TokenizerVocabulary) throws(TokenizerError) {
        precondition(source.algorithm == .byteLevel, "the vocabulary is byte-level")
        preTokenizer = try PreTokenizer(named: source.preTokenizer)
        let vocabulary = try Vocabulary(
            source, coding: .byteAlphabet, addsBOSByDefault: preTokenizer.addsBOSByDefault)
        self.vocabulary = vocabulary
        prefersWholePieces = source.prefersWholePieces ?? preTokenizer.prefersWholePieces
        byteTokens = (0...255).map { (byte: UInt8) in vocabulary.tokens.coded(CollectionOfOne(byte)) ?? -1 }
        bytesWithoutToken = byteTokens.enumerated().filter { $0.element < 0 }.map { UInt8($0.offset) }
        merges = try MergeTable(source.merges, tokens: vocabulary.tokens)
    }

    /// The bytes the tables hold in memory.
    var byteCount: Int { vocabulary.byteCount + merges.byteCount }
}

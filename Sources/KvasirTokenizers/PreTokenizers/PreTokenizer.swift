/// How a byte-level BPE tokenizer cuts text into pieces before it merges: merges never cross a piece's ends.
///
/// Each case follows the Hugging Face definition of the models it is named for. `default` has no such definition; it is
/// what llama.cpp does for a file that names no pre-tokenizer. The raw values are those of the GGUF key
/// `tokenizer.ggml.pre`.
public enum PreTokenizer: String, Sendable, Hashable, CaseIterable {
    /// SmolLM and SmolLM2: every `\p{N}` by itself, then GPT-2's expression.
    case smollm
    /// Qwen2 and Qwen2.5: Llama 3's expression with single digits.
    case qwen2
    /// GPT-2.
    case gpt2 = "gpt-2"
    /// Llama 3: words with one leading sign, digits in threes.
    case llamaBPE = "llama-bpe"
    /// Punctuation apart, then GPT-2's expression, then ASCII digits in threes.
    case `default`

    /// The pre-tokenizer with the name a model file gives.
    ///
    /// - Throws: `TokenizerError` with the names that are supported.
    public init(named name: String) throws(TokenizerError) {
        guard let known = PreTokenizer(rawValue: name) else { throw TokenizerError(.unsupportedPreTokenizer(name)) }
        self = known
    }

    /// Whether a piece that is a token as it stands skips the merges (`ignore_merges` in Llama 3's tokenizer.json).
    var prefersWholePieces: Bool { self == .llamaBPE }

    /// Whether a file that does not say so wants its beginning-of-sequence token before every text.
    var addsBOSByDefault: Bool { self == .llamaBPE }

    /// Calls `body` with the pieces of `range`, in order and without gaps.
    ///
    /// - Complexity: O(*n*) for *n* bytes, whatever the text.
    func forEachPiece(of text: ClassifiedText, in range: Range<Int>, _ body: (Range<Int>) -> Void) {
        switch self {
        case .gpt2: GPT2Splitter.forEachPiece(of: text, in: range, body)
        case .smollm: SmolLMSplitter.forEachPiece(of: text, in: range, body)
        case .qwen2: Llama3Splitter(longestNumber: 1).forEachPiece(of: text, in: range, body)
        case .llamaBPE: Llama3Splitter(longestNumber: 3).forEachPiece(of: text, in: range, body)
        case .default: DefaultSplitter.forEachPiece(of: text, in: range, body)
        }
    }
}

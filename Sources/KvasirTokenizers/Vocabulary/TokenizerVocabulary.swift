/// A vocabulary as a model's files give it: the values of the GGUF keys `tokenizer.ggml.*`, or what other formats say
/// in their own words.
public struct TokenizerVocabulary: Sendable {
    /// What a token stands for; the raw values are those of `tokenizer.ggml.token_type`.
    public enum TokenType: Int32, Sendable, Hashable, CaseIterable {
        /// A piece of text, as the algorithm writes it.
        case normal = 1
        /// Stands for what has no token; special.
        case unknown = 2
        /// A sign of the model's own, such as `<|im_end|>`; special.
        case control = 3
        /// A piece of ordinary text that is matched before anything else, written as it is.
        case userDefined = 4
        /// A place that holds nothing.
        case unused = 5
        /// One byte, written `<0x0A>`.
        case byte = 6
    }

    /// How text becomes tokens.
    public enum Algorithm: Sendable, Hashable {
        /// Merges of bytes, within the pieces of a pre-tokenizer; tokens are written in GPT-2's byte alphabet.
        case byteLevel
        /// SentencePiece BPE: neighbouring characters merge into the piece of the highest score.
        case scores
        /// SentencePiece BPE with its merges written out, as Hugging Face's files do.
        case merges
        /// SentencePiece unigram: the cut of the highest sum of scores.
        case unigram
    }

    /// What SentencePiece algorithms do with spaces.
    public struct Spaces: Sendable, Hashable {
        /// Where a space is put that the text does not have.
        public enum Prefix: Sendable, Hashable {
            /// Nowhere.
            case none
            /// Before the text, whatever it begins with.
            case text
            /// Before the text, unless it begins with a token that is matched as it is written.
            case firstFragment
            /// Before the text, and after every token that is matched as it is written.
            case everyFragment
        }

        /// Where a space is put that the text does not have.
        public var prefix: Prefix
        /// Whether it is put before a space that is there already, too.
        public var prefixesSpaces: Bool
        /// Whether every space begins a piece that merges never cross, a run of spaces thus being cut.
        public var splits: Bool
        /// Whether spaces at the ends go, and of several together all but one.
        public var collapses: Bool

        /// Creates a treatment; by default spaces are characters like others.
        public init(
            prefix: Prefix = .none, prefixesSpaces: Bool = true, splits: Bool = false, collapses: Bool = false
        ) {
            self.prefix = prefix
            self.prefixesSpaces = prefixesSpaces
            self.splits = splits
            self.collapses = collapses
        }
    }

    /// How text becomes tokens.
    public var algorithm: Algorithm
    /// The text of every id: in the byte alphabet, where U+0120 is a space, or in SentencePiece's way, where U+2581 is.
    public var tokens: ByteStrings
    /// One per token, or empty if all are `normal`.
    public var types: [TokenType]
    /// `byteLevel` and `merges`: two tokens with a space between, most urgent first.
    public var merges: ByteStrings
    /// `scores` and `unigram`: one per token.
    public var scores: [Double]
    /// `unigram`: whether sums of scores are rounded to float32, as SentencePiece's are.
    public var roundsSums: Bool
    /// `byteLevel`: the name of the pre-tokenizer.
    public var preTokenizer: String
    /// `byteLevel`: whether a piece that is a token as it stands skips the merges; nil to follow the pre-tokenizer.
    public var prefersWholePieces: Bool?
    /// All but `byteLevel`: what is done with spaces.
    public var spaces: Spaces
    /// All but `byteLevel`: whether several characters without a token become one unknown token together.
    public var fusesUnknown: Bool
    /// `bos_token_id`: begins a text.
    public var bosID: Int32?
    /// `eos_token_id`: ends a text.
    public var eosID: Int32?
    /// `eot_token_id`: ends a turn.
    public var eotID: Int32?
    /// `unknown_token_id`.
    public var unknownID: Int32?
    /// `padding_token_id`.
    public var paddingID: Int32?
    /// Further ids that end generation: `eom_token_id` and the `fim_*_token_id` of separators, where given.
    public var endOfGenerationIDs: Set<Int32>
    /// Whether `bosID` goes before every text; nil where the file does not say.
    public var addsBOS: Bool?
    /// Whether `eosID` goes after every text; nil where the file does not say.
    public var addsEOS: Bool?

    /// Creates a vocabulary; nothing is checked before a tokenizer is made of it.
    public init(
        algorithm: Algorithm = .byteLevel, tokens: ByteStrings, types: [TokenType] = [], merges: ByteStrings = [],
        scores: [Double] = [], roundsSums: Bool = true, preTokenizer: String = "", prefersWholePieces: Bool? = nil,
        spaces: Spaces = Spaces(), fusesUnknown: Bool = true,
        bosID: Int32? = nil, eosID: Int32? = nil, eotID: Int32? = nil, unknownID: Int32? = nil,
        paddingID: Int32? = nil, endOfGenerationIDs: Set<Int32> = [], addsBOS: Bool? = nil, addsEOS: Bool? = nil
    ) {
        self.algorithm = algorithm
        self.tokens = tokens
        self.types = types
        self.merges = merges
        self.scores = scores
        self.roundsSums = roundsSums
        self.preTokenizer = preTokenizer
        self.prefersWholePieces = prefersWholePieces
        self.spaces = spaces
        self.fusesUnknown = fusesUnknown
        self.bosID = bosID
        self.eosID = eosID
        self.eotID = eotID
        self.unknownID = unknownID
        self.paddingID = paddingID
        self.endOfGenerationIDs = endOfGenerationIDs
        self.addsBOS = addsBOS
        self.addsEOS = addsEOS
    }

    /// Checks the vocabulary and prepares the tokenizer of its algorithm.
    ///
    /// - Throws: `TokenizerError` that names the entry at fault.
    public func tokenizer() throws(TokenizerError) -> any Tokenizer {
        switch algorithm {
        case .byteLevel: try BytePairTokenizer(self)
        case .scores, .merges, .unigram: try SentencePieceTokenizer(self)
        }
    }
}

/// A byte-level BPE vocabulary as a model file gives it: the values of the GGUF keys `tokenizer.ggml.*`.
public struct TokenizerVocabulary: Sendable {
    /// What a token stands for; the raw values are those of `tokenizer.ggml.token_type`.
    public enum TokenType: Int32, Sendable, Hashable, CaseIterable {
        /// A piece of text, in the byte alphabet.
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

    /// `tokens`: the text of every id; of ordinary tokens in GPT-2's byte alphabet, where U+0120 is a space.
    public var tokens: [String]
    /// `token_type`: one per token, or empty if all are `normal`.
    public var types: [TokenType]
    /// `merges`: two tokens with a space between, most urgent first.
    public var merges: [String]
    /// `pre`: the name of the pre-tokenizer.
    public var preTokenizer: String
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
    /// `add_bos_token`: whether `bosID` goes before every text; nil where the file does not say.
    public var addsBOS: Bool?
    /// `add_eos_token`: whether `eosID` goes after every text; nil where the file does not say.
    public var addsEOS: Bool?

    /// Creates a vocabulary; nothing is checked before a tokenizer is made of it.
    public init(
        tokens: [String], types: [TokenType] = [], merges: [String], preTokenizer: String, bosID: Int32? = nil,
        eosID: Int32? = nil, eotID: Int32? = nil, unknownID: Int32? = nil, paddingID: Int32? = nil,
        endOfGenerationIDs: Set<Int32> = [], addsBOS: Bool? = nil, addsEOS: Bool? = nil
    ) {
        self.tokens = tokens
        self.types = types
        self.merges = merges
        self.preTokenizer = preTokenizer
        self.bosID = bosID
        self.eosID = eosID
        self.eotID = eotID
        self.unknownID = unknownID
        self.paddingID = paddingID
        self.endOfGenerationIDs = endOfGenerationIDs
        self.addsBOS = addsBOS
        self.addsEOS = addsEOS
    }
}

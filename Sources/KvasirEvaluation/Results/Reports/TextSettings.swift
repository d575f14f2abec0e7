/// What was read by an evaluation of a text, and how: the settings of results of kinds `perplexity` and `divergence`.
public struct TextSettings: Codable, Sendable, Hashable {
    /// The text's file name.
    public let text: String
    /// SHA-256 of the text.
    public let textSHA256: String
    /// `windows` or `strided`.
    public let form: String
    /// Tokens of a window.
    public let context: Int
    /// Windows that were asked for; nil for all.
    public let chunks: Int?
    /// Tokens from the start of a window to that of the next, where they overlap.
    public let stride: Int?
    /// How linear layers multiplied: `int8` or `float32`.
    public let linear: String
    /// What the prompt's own attention read: `cache` or `exact`.
    public let prefill: PrefillAttention
    /// Whether attention ran in the slow twins of the kernels.
    public let plainAttention: Bool
    /// The cache that the others are compared with; nil where there is none.
    public let reference: String?

    /// Creates settings.
    public init(
        text: String, textSHA256: String, form: WindowForm = .separate, context: Int, chunks: Int?, linear: String,
        prefill: PrefillAttention, plainAttention: Bool = false, reference: String? = nil
    ) {
        self.text = text
        self.textSHA256 = textSHA256
        self.form = form.name
        self.context = context
        self.chunks = chunks
        stride = form.stride
        self.linear = linear
        self.prefill = prefill
        self.plainAttention = plainAttention
        self.reference = reference
    }
}

/// Decodes ids as they come, never giving out part of a character.
///
/// Joined, the texts are what `decode` gives for all ids at once.
public struct StreamingDecoder: Sendable {
    private let vocabulary: Vocabulary
    private let skipSpecial: Bool
    private var pending: [UInt8] = []

    /// Starts an empty text; special tokens give no text if `skipSpecial`.
    public init(_ tokenizer: some Tokenizer, skipSpecial: Bool = true) {
        vocabulary = tokenizer.vocabulary
        self.skipSpecial = skipSpecial
    }

    /// The text that is complete with one more id; empty while a character lacks bytes.
    public mutating func append(_ id: Int32) -> String {
        if skipSpecial && vocabulary.isSpecial(id) { return "" }
        guard let bytes = vocabulary.tokenBytes(id) else { return "" }
        pending.append(contentsOf: bytes)
        let complete = pending.count - UTF8Scanner.incompleteSuffixLength(of: pending)
        let text = String(decoding: pending[..<complete], as: UTF8.self)
        pending.removeFirst(complete)
        return text
    }

    /// Ends the text: U+FFFD for a character that was never completed, otherwise nothing.
    public mutating func finish() -> String {
        defer { pending.removeAll() }
        return String(decoding: pending, as: UTF8.self)
    }
}

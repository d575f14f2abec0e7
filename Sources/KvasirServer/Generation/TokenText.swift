#if Server
internal import KvasirEngine
internal import KvasirTokenizers

/// Tokens as text in lists of probabilities.
struct TokenText: Sendable {
    let tokenizer: any Tokenizer

    /// The token's text; where it is only part of a character, its bytes in the form `bytes:\xe2\x82`, as the API has it.
    func text(_ id: Int32) -> String {
        let bytes = tokenizer.tokenBytes(id) ?? []
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        return "bytes:" + bytes.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// The token's bytes.
    func bytes(_ id: Int32) -> JSONNode { .array((tokenizer.tokenBytes(id) ?? []).map { .integer(Int($0)) }) }

    /// The logarithm of a probability; JSON has no infinity, for which the API says -9999.
    static func logProbability(_ value: Float) -> JSONNode { .number(value.isFinite ? Double(value) : -9999) }
}

/// Where tokens begin in the text they make, in Unicode scalars, as a Python program counts.
struct TextOffsets {
    private var decoder: StreamingDecoder
    private var dropsSpace: Bool
    private(set) var offset: Int

    /// - Parameters:
    ///   - offset: where the first token begins.
    ///   - skipSpecial: whether special tokens give no text.
    ///   - startsText: whether the first token begins a text, and not the continuation of one.
    init(_ tokenizer: any Tokenizer, from offset: Int, skipSpecial: Bool, startsText: Bool) {
        decoder = Self.decoder(tokenizer, skipSpecial)
        dropsSpace = startsText && tokenizer.prefixesSpace
        self.offset = offset
    }

    private static func decoder(_ tokenizer: some Tokenizer, _ skipSpecial: Bool) -> StreamingDecoder {
        StreamingDecoder(tokenizer, skipSpecial: skipSpecial)
    }

    /// Where a token begins.
    mutating func next(_ id: Int32) -> Int {
        defer {
            let text = decoder.append(id)
            offset += text.unicodeScalars.count
            if dropsSpace, !text.isEmpty {
                dropsSpace = false
                if text.first == " " { offset -= 1 }
            }
        }
        return offset
    }
}
#endif

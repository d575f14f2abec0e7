/// How a vocabulary writes the bytes that a token stands for.
enum TokenCoding: Sendable {
    /// GPT-2's alphabet: a printable scalar for every byte.
    case byteAlphabet
    /// SentencePiece: as they are, but U+2581 for a space.
    case metaspace

    /// Whether the text of a token of this type is coded; other texts stand for themselves.
    func applies(to type: TokenizerVocabulary.TokenType) -> Bool {
        switch type {
        case .normal: true
        // SentencePiece finds these among its pieces; byte-level vocabularies write them as they are.
        case .userDefined, .unused: self == .metaspace
        case .unknown, .control, .byte: false
        }
    }

    /// Appends the bytes that `text` stands for; returns false, and appends nothing, if it is not so coded.
    func decode(_ text: some Collection<UInt8>, into bytes: inout [UInt8]) -> Bool {
        switch self {
        case .byteAlphabet: ByteAlphabet.decode(text, into: &bytes)
        case .metaspace: Metaspace.decode(text, into: &bytes)
        }
    }
}

/// U+2581, which SentencePiece writes for a space.
enum Metaspace {
    /// Its UTF-8.
    static let utf8: [UInt8] = [0xE2, 0x96, 0x81]

    /// Appends `text` with spaces in place of U+2581; always succeeds.
    static func decode(_ text: some Collection<UInt8>, into bytes: inout [UInt8]) -> Bool {
        for byte in text {
            bytes.append(byte)
            if byte == 0x81, bytes.count >= 3, bytes[bytes.count - 2] == 0x96, bytes[bytes.count - 3] == 0xE2 {
                bytes.removeLast(3)
                bytes.append(0x20)
            }
        }
        return true
    }
}

#if Server
import KvasirTokenizers

/// A byte-level tokenizer of 3 special tokens, the 256 bytes, and a few words.
enum TinyTokenizer {
    static let endOfText: Int32 = 0
    static let turnStart: Int32 = 1
    static let turnEnd: Int32 = 2

    /// The token of a byte.
    static func id(_ byte: UInt8) -> Int32 { 3 + Int32(byte) }

    static func make(addsBOS: Bool = false) throws -> any Tokenizer {
        let special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
        let merges = ["h e", "l l", "he ll", "{ \"", "\" :"]
        let words = merges.map { $0.split(separator: " ").joined() }
        let tokens = special + alphabet + words
        return try TokenizerVocabulary(
            tokens: ByteStrings(tokens),
            types: special.map { _ in .control } + (alphabet + words).map { _ in .normal },
            merges: ByteStrings(merges), preTokenizer: "gpt-2", bosID: endOfText, eosID: endOfText, eotID: turnEnd,
            addsBOS: addsBOS
        ).tokenizer()
    }

    /// GPT-2's letters for the 256 bytes: printable ones stand for themselves, the others follow U+0100.
    private static let alphabet: [String] = {
        var next: UInt32 = 256
        return (0..<256).map { (byte: UInt32) in
            let isPrintable = (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
            let scalar = isPrintable ? byte : next
            if !isPrintable { next += 1 }
            return String(Character(Unicode.Scalar(scalar) ?? " "))
        }
    }()
}
#endif

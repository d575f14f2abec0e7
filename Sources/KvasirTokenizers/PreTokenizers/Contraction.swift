/// The English endings `'s 't 're 've 'm 'll 'd`.
enum Contraction {
    /// The end of the contraction that starts at `start`, or nil where there is none.
    ///
    /// Ignoring case means Unicode's simple case folding, as in the reference's expression engine: U+017F, the long s,
    /// is an s.
    static func end(in text: ClassifiedText, from start: Int, limit: Int, ignoringCase: Bool) -> Int? {
        let bytes = text.bytes
        guard bytes[start] == UInt8(ascii: "'"), start + 1 < limit else { return nil }
        func letter(at index: Int) -> UInt8 {
            let byte = bytes[index]
            return ignoringCase && (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
        }
        let first = letter(at: start + 1)
        switch first {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
            return start + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"), UInt8(ascii: "l"):
            guard start + 2 < limit else { return nil }
            let second = first == UInt8(ascii: "l") ? UInt8(ascii: "l") : UInt8(ascii: "e")
            return letter(at: start + 2) == second ? start + 3 : nil
        case 0xC5 where ignoringCase:
            return start + 2 < limit && bytes[start + 2] == 0xBF ? start + 3 : nil
        default:
            return nil
        }
    }
}

/// GPT-2's alphabet: a printable scalar for every byte, so that tokens can be written in text files.
///
/// Printable Latin-1 bytes stand for themselves, the other 68 for U+0100 and up in order.
/// Radford et al., "Language Models are Unsupervised Multitask Learners", 2019 (the released encoder).
enum ByteAlphabet {
    /// The scalar of each byte.
    static let scalars: [UInt32] = {
        var next: UInt32 = 0x100
        return (0...255).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return UInt32(byte)
            default:
                defer { next += 1 }
                return next
            }
        }
    }()

    /// The byte of each scalar below U+0144, or -1.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: Int(scalars.max() ?? 0) + 1)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = Int16(byte) }
        return bytes
    }()

    /// Appends the bytes a token's text stands for; returns false, and appends nothing, if some of it is not in the
    /// alphabet.
    static func decode(_ text: some Collection<UInt8>, into result: inout [UInt8]) -> Bool {
        let start = result.count
        let table = bytes
        // No scalar of the alphabet takes more than two bytes.
        var lead: UInt8?
        for byte in text {
            let scalar: Int
            if let first = lead {
                guard UTF8Scanner.isContinuation(byte) else { break }
                scalar = Int(first & 0x1F) << 6 | Int(byte & 0x3F)
                lead = nil
            } else if byte < 0x80 {
                scalar = Int(byte)
            } else {
                lead = byte
                guard UTF8Scanner.sequenceLength(lead: byte) == 2 else { break }
                continue
            }
            guard scalar < table.count, table[scalar] >= 0 else {
                lead = byte
                break
            }
            result.append(UInt8(table[scalar]))
        }
        guard lead == nil else {
            result.removeSubrange(start...)
            return false
        }
        return true
    }
}

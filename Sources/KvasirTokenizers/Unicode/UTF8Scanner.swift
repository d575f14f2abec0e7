/// Well-formed UTF-8 as Unicode's table 3-7 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
enum UTF8Scanner {
    /// The number of bytes a sequence with this first byte has; 0 where no sequence starts with it.
    static func sequenceLength(lead: UInt8) -> Int {
        switch lead {
        case 0x00...0x7F: 1
        case 0xC2...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xF4: 4
        default: 0
        }
    }

    /// Whether `second` may follow `lead`.
    static func isSecondByte(_ second: UInt8, after lead: UInt8) -> Bool {
        switch lead {
        case 0xE0: (0xA0...0xBF).contains(second)
        case 0xED: (0x80...0x9F).contains(second)
        case 0xF0: (0x90...0xBF).contains(second)
        case 0xF4: (0x80...0x8F).contains(second)
        default: isContinuation(second)
        }
    }

    /// Whether the byte can only be the second or a later one of a sequence.
    static func isContinuation(_ byte: UInt8) -> Bool { byte & 0xC0 == 0x80 }

    /// The scalar that starts at `index`, or nil where the bytes there are not well-formed.
    static func scalar(in bytes: [UInt8], at index: Int) -> (value: UInt32, length: Int)? {
        let lead = bytes[index]
        let length = sequenceLength(lead: lead)
        if length == 1 { return (UInt32(lead), 1) }
        guard length != 0, index + length <= bytes.count, isSecondByte(bytes[index + 1], after: lead) else {
            return nil
        }
        var value = UInt32(lead) & (0x7F >> UInt32(length))
        for offset in 1..<length {
            let byte = bytes[index + offset]
            guard isContinuation(byte) else { return nil }
            value = value << 6 | UInt32(byte & 0x3F)
        }
        return (value, length)
    }

    /// The bytes of the scalar that starts at `index`; 1 where the bytes there are not well-formed.
    static func unitLength(in bytes: [UInt8], at index: Int) -> Int {
        bytes[index] < 0x80 ? 1 : scalar(in: bytes, at: index)?.length ?? 1
    }

    /// The length of the unfinished sequence at the end of `bytes` that more bytes could still complete, 0 to 3.
    static func incompleteSuffixLength(of bytes: some BidirectionalCollection<UInt8>) -> Int {
        var following = 0
        var second: UInt8?
        for byte in bytes.reversed().prefix(3) {
            if isContinuation(byte) {
                following += 1
                second = byte
                continue
            }
            guard sequenceLength(lead: byte) > following + 1 else { return 0 }
            if let second, !isSecondByte(second, after: byte) { return 0 }
            return following + 1
        }
        return 0
    }
}

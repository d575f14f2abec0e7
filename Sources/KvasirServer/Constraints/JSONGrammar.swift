#if Server
/// Grammars of JSON (RFC 8259), bounded where a model could go on for ever without saying anything: white space is one
/// space, or a line break with its indentation, and numbers have at most 16 digits before and after the point.
struct JSONGrammar {
    var grammar = Grammar()
    /// Optional white space.
    let space: Int
    /// One character of a string, escaped or not; UTF-8.
    let character: Int
    let string: Int
    let number: Int
    let integer: Int
    let value: Int
    let object: Int

    init() {
        var grammar = Grammar()
        let space = grammar.rule { grammar, _ in
            let indentation = grammar.repeated([0x20, 0x09], 0, 20, then: Grammar.end)
            return grammar.choice([
                Grammar.end, grammar.bytes([0x20], then: Grammar.end), grammar.bytes([0x0A], then: indentation),
            ])
        }
        let character = grammar.rule { grammar, _ in Self.character(&grammar) }
        let string = grammar.rule { grammar, _ in Self.string(&grammar, character, 0, nil, then: Grammar.end) }
        let integer = grammar.rule { grammar, _ in Self.integer(&grammar, then: Grammar.end) }
        let number = grammar.rule { grammar, _ in Self.number(&grammar) }
        let value = grammar.reserve()
        let object = grammar.rule { grammar, _ in
            Self.list(&grammar, "{", "}", space, 0, nil, then: Grammar.end) { grammar, next in
                let member = grammar.literal(":", then: grammar.call(space, then: grammar.call(value, then: next)))
                return grammar.call(string, then: member)
            }
        }
        let array = grammar.rule { grammar, _ in
            Self.list(&grammar, "[", "]", space, 0, nil, then: Grammar.end) { grammar, next in
                grammar.call(value, then: next)
            }
        }
        let calls = [object, array, string, number].map { grammar.call($0, then: Grammar.end) }
        let literals = ["true", "false", "null"].map { grammar.literal($0, then: Grammar.end) }
        grammar.define(value, grammar.choice(calls + literals))
        self.grammar = grammar
        self.space = space
        self.character = character
        self.string = string
        self.number = number
        self.integer = integer
        self.value = value
        self.object = object
    }

    /// The grammar of any object.
    static func anyObject() -> Grammar {
        let json = JSONGrammar()
        var grammar = json.grammar
        grammar.start = grammar.call(json.object, then: Grammar.end)
        return grammar
    }

    /// Elements between brackets, with commas between them; `least` to `most` of them.
    static func list(
        _ grammar: inout Grammar, _ opening: String, _ closing: String, _ space: Int, _ least: Int, _ most: Int?,
        then next: Int, _ element: (inout Grammar, _ next: Int) -> Int
    ) -> Int {
        let close = grammar.literal(closing, then: next)
        var ways: [Int] = []
        if least == 0 { ways.append(close) }
        if most != 0 {
            let closeAfterSpace = grammar.call(space, then: close)
            let further = grammar.repeated(max(least - 1, 0), most.map { $0 - 1 }, then: closeAfterSpace) {
                grammar, next in
                let element = element(&grammar, next)
                return grammar.literal(",", then: grammar.call(space, then: element))
            }
            ways.append(element(&grammar, further))
        }
        return grammar.literal(opening, then: grammar.call(space, then: grammar.choice(ways)))
    }

    /// A string of `least` to `most` characters.
    static func string(
        _ grammar: inout Grammar, _ character: Int, _ least: Int, _ most: Int?, then next: Int
    ) -> Int {
        let close = grammar.literal("\"", then: next)
        let characters = grammar.repeated(least, most, then: close) { grammar, next in
            grammar.call(character, then: next)
        }
        return grammar.literal("\"", then: characters)
    }

    private static func character(_ grammar: inout Grammar) -> Int {
        let end = Grammar.end
        var plain = ByteSet(0x20...0x7F)
        plain.remove(UInt8(ascii: "\""))
        plain.remove(UInt8(ascii: "\\"))
        let tail = ByteSet(0x80...0xBF)
        let one = grammar.bytes(tail, then: end)
        let two = grammar.bytes(tail, then: one)
        // Unicode, table 3-7: no overlong forms, no surrogates, nothing beyond U+10FFFF.
        let utf8: [(ByteSet, Int)] = [
            (plain, end), (ByteSet(0xC2...0xDF), one),
            ([0xE0], grammar.bytes(ByteSet(0xA0...0xBF), then: one)), (ByteSet(0xE1...0xEC, 0xEE...0xEF), two),
            ([0xED], grammar.bytes(ByteSet(0x80...0x9F), then: one)),
            ([0xF0], grammar.bytes(ByteSet(0x90...0xBF), then: two)),
            (ByteSet(0xF1...0xF3), grammar.bytes(tail, then: two)),
            ([0xF4], grammar.bytes(ByteSet(0x80...0x8F), then: two)),
        ]
        let hex = ByteSet(0x30...0x39, 0x41...0x46, 0x61...0x66)
        let lastTwo = grammar.repeated(hex, 2, 2, then: end)
        var notD = hex
        notD.remove(UInt8(ascii: "d"))
        notD.remove(UInt8(ascii: "D"))
        // Characters beyond the first plane are written as they are, not as two escapes.
        let code = grammar.choice([
            grammar.bytes(notD, then: grammar.bytes(hex, then: lastTwo)),
            grammar.bytes(ByteSet(of: "dD"), then: grammar.bytes(ByteSet(0x30...0x37), then: lastTwo)),
        ])
        let escape = grammar.choice([
            grammar.bytes(ByteSet(of: "\"\\/bfnrt"), then: end), grammar.literal("u", then: code),
        ])
        return grammar.choice(utf8.map { grammar.bytes($0, then: $1) } + [grammar.literal("\\", then: escape)])
    }

    private static let digits = ByteSet(0x30...0x39)

    private static func integer(_ grammar: inout Grammar, then next: Int) -> Int {
        let more = grammar.repeated(digits, 0, 15, then: next)
        let whole = grammar.choice([
            grammar.literal("0", then: next), grammar.bytes(ByteSet(0x31...0x39), then: more),
        ])
        return grammar.choice([whole, grammar.literal("-", then: whole)])
    }

    private static func number(_ grammar: inout Grammar) -> Int {
        let end = Grammar.end
        let power = grammar.repeated(digits, 1, 3, then: end)
        let signed = grammar.choice([power, grammar.bytes(ByteSet(of: "+-"), then: power)])
        let exponent = grammar.choice([end, grammar.bytes(ByteSet(of: "eE"), then: signed)])
        let fraction = grammar.literal(".", then: grammar.repeated(digits, 1, 16, then: exponent))
        return integer(&grammar, then: grammar.choice([exponent, fraction]))
    }
}
#endif

/// What a pre-tokenizer needs to know of one byte of text: the class of the scalar it belongs to.
///
/// The classes are those of the expressions `\p{L}`, `\p{N}` and `\s`. They come from a table of this module's own and
/// not from the standard library, whose Unicode version follows the operating system on some platforms: the same text
/// must give the same ids everywhere.
struct ScalarClass: OptionSet, Sendable {
    let rawValue: UInt8

    /// `\p{L}`.
    static let letter = ScalarClass(rawValue: 1)
    /// `\p{N}`.
    static let number = ScalarClass(rawValue: 2)
    /// `\s`.
    static let whitespace = ScalarClass(rawValue: 4)
    /// `\p{P}` and some ASCII symbols; only the `default` pre-tokenizer asks.
    static let punctuation = ScalarClass(rawValue: 8)
    /// Carriage return or line feed; always `whitespace` too.
    static let newline = ScalarClass(rawValue: 16)
    /// A number of a later Unicode version than `number` knows; only SmolLM's splitter asks.
    static let laterNumber = ScalarClass(rawValue: 32)
    /// The second or a later byte of a scalar; the other bits repeat those of its first byte.
    static let continuation = ScalarClass(rawValue: 128)

    /// Every number of either kind.
    static let anyNumber: ScalarClass = [.number, .laterNumber]
    /// The three classes that end a run of "anything else".
    static let wordOrSpace: ScalarClass = [.letter, .number, .whitespace]

    /// The class of every scalar below the first one that has none for good.
    static let table: [ScalarClass] = {
        let ranges: [([UInt32], ScalarClass)] = [
            (ScalarClassRanges.letters, .letter), (ScalarClassRanges.numbers, .number),
            (ScalarClassRanges.whitespace, .whitespace), (ScalarClassRanges.punctuation, .punctuation),
            (ScalarClassRanges.laterNumbers, .laterNumber),
        ]
        let end = ranges.reduce(0) { max($0, Int($1.0.last ?? 0) + 1) }
        var table = [ScalarClass](repeating: [], count: end)
        for (bounds, scalarClass) in ranges {
            for pair in stride(from: 0, to: bounds.count, by: 2) {
                for scalar in bounds[pair]...bounds[pair + 1] { table[Int(scalar)].insert(scalarClass) }
            }
        }
        table[0x0A].insert(.newline)
        table[0x0D].insert(.newline)
        return table
    }()
}

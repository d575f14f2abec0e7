/// GPT-2's expression as a scanner:
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
enum GPT2Splitter {
    static func forEachPiece(of text: ClassifiedText, in range: Range<Int>, _ body: (Range<Int>) -> Void) {
        var start = range.lowerBound
        while start < range.upperBound {
            let end = endOfPiece(in: text, from: start, limit: range.upperBound)
            body(start..<end)
            start = end
        }
    }

    /// The end of the piece that starts at `start`, where the text ends at `limit`.
    static func endOfPiece(in text: ClassifiedText, from start: Int, limit: Int) -> Int {
        if let end = Contraction.end(in: text, from: start, limit: limit, ignoringCase: false) { return end }
        let first = text.bytes[start] == 0x20 && start + 1 < limit ? start + 1 : start
        let scalarClass = text.classes[first]
        if scalarClass.contains(.letter) { return text.endOfRun(of: .letter, from: first, limit: limit) }
        if scalarClass.contains(.number) { return text.endOfRun(of: .number, from: first, limit: limit) }
        if scalarClass.contains(.whitespace) { return endOfWhitespace(in: text, from: start, limit: limit) }
        return text.endOfRun(without: .wordOrSpace, from: first, limit: limit)
    }

    /// `\s+(?!\S)|\s+`: the run of white space, less its last scalar where a word follows, unless that is all of it.
    static func endOfWhitespace(in text: ClassifiedText, from start: Int, limit: Int) -> Int {
        let end = text.endOfRun(of: .whitespace, from: start, limit: limit)
        guard end < limit else { return end }
        let last = text.startOfScalar(before: end)
        return last > start ? last : end
    }
}

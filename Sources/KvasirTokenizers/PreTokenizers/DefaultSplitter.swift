/// What llama.cpp does for a file without a pre-tokenizer's name: four expressions, each cutting the pieces of the one
/// before: runs of `[\p{P}\$\+<=>\^~\|]+`, GPT-2's expression, `\p{N}+`, and `[0-9][0-9][0-9]`.
enum DefaultSplitter {
    static func forEachPiece(of text: ClassifiedText, in range: Range<Int>, _ body: (Range<Int>) -> Void) {
        var start = range.lowerBound
        while start < range.upperBound {
            var end = text.endOfRun(of: .punctuation, from: start, limit: range.upperBound)
            if end > start {
                body(start..<end)
            } else {
                end = text.endOfRun(without: .punctuation, from: start, limit: range.upperBound)
                GPT2Splitter.forEachPiece(of: text, in: start..<end) { splitNumbers(of: text, in: $0, body) }
            }
            start = end
        }
    }

    /// Cuts a piece ` ?\p{N}+` at its space and into threes of ASCII digits; any other piece stays whole.
    private static func splitNumbers(of text: ClassifiedText, in piece: Range<Int>, _ body: (Range<Int>) -> Void) {
        guard text.classes[piece.upperBound - 1].contains(.number) else { return body(piece) }
        var start = piece.lowerBound
        if text.bytes[start] == 0x20 {
            body(start..<start + 1)
            start += 1
        }
        // `rest` is where what no three digits have claimed begins.
        var rest = start
        while start < piece.upperBound {
            let isTriple = start + 3 <= piece.upperBound && (start..<start + 3).allSatisfy(isDigit)
            guard isTriple else {
                start += 1
                continue
            }
            if rest < start { body(rest..<start) }
            body(start..<start + 3)
            start += 3
            rest = start
        }
        if rest < piece.upperBound { body(rest..<piece.upperBound) }

        func isDigit(_ index: Int) -> Bool { (0x30...0x39).contains(text.bytes[index]) }
    }
}

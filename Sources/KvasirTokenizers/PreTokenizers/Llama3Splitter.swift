/// The expression of Llama 3 and Qwen2 as a scanner; the two differ in the length of a number, 3 and 1:
/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
struct Llama3Splitter {
    let longestNumber: Int

    func forEachPiece(of text: ClassifiedText, in range: Range<Int>, _ body: (Range<Int>) -> Void) {
        var start = range.lowerBound
        while start < range.upperBound {
            let end = endOfPiece(in: text, from: start, limit: range.upperBound)
            body(start..<end)
            start = end
        }
    }

    private func endOfPiece(in text: ClassifiedText, from start: Int, limit: Int) -> Int {
        if let end = Contraction.end(in: text, from: start, limit: limit, ignoringCase: true) { return end }
        let scalarClass = text.classes[start]
        if scalarClass.contains(.letter) { return text.endOfRun(of: .letter, from: start, limit: limit) }
        if scalarClass.contains(.number) { return endOfNumber(in: text, from: start, limit: limit) }
        if !scalarClass.contains(.newline) {
            let second = text.endOfScalar(at: start, limit: limit)
            if second < limit, text.classes[second].contains(.letter) {
                return text.endOfRun(of: .letter, from: second, limit: limit)
            }
        }
        let first = text.bytes[start] == 0x20 && start + 1 < limit ? start + 1 : start
        if text.classes[first].isDisjoint(with: .wordOrSpace) {
            let end = text.endOfRun(without: .wordOrSpace, from: first, limit: limit)
            return text.endOfRun(of: .newline, from: end, limit: limit)
        }
        return endOfWhitespace(in: text, from: start, limit: limit)
    }

    private func endOfNumber(in text: ClassifiedText, from start: Int, limit: Int) -> Int {
        var end = start
        for _ in 0..<longestNumber where end < limit && text.classes[end].contains(.number) {
            end = text.endOfScalar(at: end, limit: limit)
        }
        return end
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`: up to the last line break of the run, else as GPT-2 does.
    private func endOfWhitespace(in text: ClassifiedText, from start: Int, limit: Int) -> Int {
        var end = text.endOfRun(of: .whitespace, from: start, limit: limit)
        while end > start, !text.classes[end - 1].contains(.newline) { end -= 1 }
        return end > start ? end : GPT2Splitter.endOfWhitespace(in: text, from: start, limit: limit)
    }
}

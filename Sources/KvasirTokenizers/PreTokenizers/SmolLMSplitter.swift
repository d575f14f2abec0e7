/// SmolLM's two steps: every `\p{N}` is a piece of its own, and GPT-2's expression cuts what lies between.
enum SmolLMSplitter {
    static func forEachPiece(of text: ClassifiedText, in range: Range<Int>, _ body: (Range<Int>) -> Void) {
        var start = range.lowerBound
        while start < range.upperBound {
            let end: Int
            if !text.classes[start].isDisjoint(with: .anyNumber) {
                end = text.endOfScalar(at: start, limit: range.upperBound)
                body(start..<end)
            } else {
                end = text.endOfRun(without: .anyNumber, from: start, limit: range.upperBound)
                GPT2Splitter.forEachPiece(of: text, in: start..<end, body)
            }
            start = end
        }
    }
}

/// How much a text repeats itself.
enum Repetition {
    /// The share of the n-grams of a text that occurred before in it: 1 - different ones / all; 0 if it has none.
    ///
    /// Source: seq-rep-n of Welleck et al., "Neural Text Generation with Unlikelihood Training" (arXiv:1908.04319),
    /// section 6.
    static func share(of tokens: [Int32], n: Int) -> Double {
        precondition(n >= 1, "an n-gram has tokens")
        let count = tokens.count - n + 1
        guard count > 0 else { return 0 }
        let different = Set((0..<count).map { tokens[$0..<$0 + n] })
        return 1 - Double(different.count) / Double(count)
    }
}

/// Cuts a text into pieces whose scores have the highest sum (Viterbi), as SentencePiece's unigram model does.
///
/// Kudo, "Subword Regularization", 2018. Where sums are equal the piece that begins first is kept, as there.
struct UnigramLattice {
    /// How far below the lowest score of a piece that of an unknown character lies, in SentencePiece.
    private static let unknownPenalty = 10.0

    private let tokens: TokenTable
    private let scores: [Double]
    private let unknown: Double
    private let roundsSums: Bool
    /// Of each place in the piece: the best sum that reaches it, and by which symbol.
    private var best: [Double] = []
    private var starts: [Int] = []
    private var ids: [Int32] = []

    init(tokens: TokenTable, scores: [Double], roundsSums: Bool) {
        self.tokens = tokens
        self.scores = scores
        self.roundsSums = roundsSums
        unknown = Self.unknownScore(scores, tokens)
    }

    /// The score of a character that has no piece.
    private static func unknownScore(_ scores: [Double], _ tokens: TokenTable) -> Double {
        var least = Double.infinity
        for id in scores.indices where tokens.type(of: id) == .normal { least = min(least, scores[id]) }
        return (least.isFinite ? least : 0) - unknownPenalty
    }

    /// Appends the symbols that a piece of text is cut into.
    ///
    /// - Complexity: O(*n*·*m*²) for *n* bytes and a longest token of *m*.
    mutating func cut(_ text: [UInt8], _ piece: Range<Int>, into symbols: inout [TextSymbol]) {
        let base = piece.lowerBound
        best.removeAll(keepingCapacity: true)
        starts.removeAll(keepingCapacity: true)
        ids.removeAll(keepingCapacity: true)
        for _ in 0...piece.count {
            best.append(-.infinity)
            starts.append(-1)
            ids.append(-1)
        }
        best[0] = 0
        var start = base
        while start < piece.upperBound {
            let first = min(start + UTF8Scanner.unitLength(in: text, at: start), piece.upperBound)
            let sum = best[start - base]
            var hasSingle = false
            var end = first
            while end - start <= tokens.longest {
                if let id = tokens.coded(text[start..<end]), tokens.type(of: Int(id)) != .unused {
                    offer(sum + scores[Int(id)], from: start - base, to: end - base, id: id)
                    hasSingle = hasSingle || end == first
                }
                guard end < piece.upperBound else { break }
                end = min(end + UTF8Scanner.unitLength(in: text, at: end), piece.upperBound)
            }
            if !hasSingle { offer(sum + unknown, from: start - base, to: first - base, id: -1) }
            start = first
        }
        let first = symbols.count
        var end = piece.count
        while end > 0 {
            symbols.append(TextSymbol(range: base + starts[end]..<base + end, id: ids[end] < 0 ? nil : ids[end]))
            end = starts[end]
        }
        symbols[first...].reverse()
    }

    private mutating func offer(_ exact: Double, from start: Int, to end: Int, id: Int32) {
        let sum = roundsSums ? Double(Float(exact)) : exact
        guard starts[end] < 0 || sum > best[end] else { return }
        best[end] = sum
        starts[end] = start
        ids[end] = id
    }
}

/// How a model with one cache answered an item.
public struct ItemScore: Sendable, Hashable, Codable {
    /// The item's position in its file, from 0.
    public let item: Int
    /// The index of the right choice.
    public let gold: Int
    /// Log-likelihood of each continuation, in nats.
    public let logLikelihoods: [Double]
    /// Characters (Unicode scalars) of each choice: `acc_norm` divides by them.
    public let lengths: [Int]
    /// Tokens of each continuation.
    public let tokens: [Int]
    /// Whether a request did not fit the context and was cut from the left.
    public let isTruncated: Bool
    /// The bits of the cached values after the last choice, where they follow attention.
    public let bits: MeasuredBits?

    enum CodingKeys: String, CodingKey {
        case item, gold, logLikelihoods, lengths, tokens, bits
        case isTruncated = "truncated"
    }

    /// Creates a score.
    public init(
        item: Int, gold: Int, logLikelihoods: [Double], lengths: [Int], tokens: [Int], isTruncated: Bool = false,
        bits: MeasuredBits? = nil
    ) {
        precondition(logLikelihoods.count == lengths.count, "every choice has both")
        self.item = item
        self.gold = gold
        self.logLikelihoods = logLikelihoods
        self.lengths = lengths
        self.tokens = tokens
        self.isTruncated = isTruncated
        self.bits = bits
    }

    /// The choice by a metric: the index of the largest number, of the first one among equals.
    public func prediction(_ metric: TaskMetric) -> Int {
        switch metric {
        case .accuracy: Self.firstLargest(logLikelihoods)
        case .normalizedAccuracy: Self.firstLargest(zip(logLikelihoods, lengths).map { $0 / Double($1) })
        }
    }

    /// Whether the choice by a metric is the right one.
    public func isCorrect(_ metric: TaskMetric) -> Bool { prediction(metric) == gold }

    /// As `numpy.argmax`: what is no number, as 0 / 0 of an empty choice, counts as the largest.
    private static func firstLargest(_ values: [Double]) -> Int {
        if let none = values.firstIndex(where: \.isNaN) { return none }
        return values.indices.max { values[$0] < values[$1] || (values[$0] == values[$1] && $0 > $1) } ?? 0
    }
}

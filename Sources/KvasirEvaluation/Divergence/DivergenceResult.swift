internal import Foundation
public import KvasirCache

/// How the distributions of one cache differ from the reference's.
public struct DivergenceResult: Sendable {
    /// The cache.
    public let cache: CacheConfiguration
    /// Its own perplexity on the text.
    public internal(set) var perplexity: PerplexityResult

    private var divergences: [Double] = []
    /// The position in its window of every prediction.
    private var positions: [Int] = []
    private var sameTop = 0
    private var lossChange = 0.0
    private var squaredLossChange = 0.0

    init(cache: CacheConfiguration, context: Int) {
        self.cache = cache
        perplexity = PerplexityResult(context: context)
    }

    mutating func add(_ window: WindowComparison.Subject, reference: WindowScore, scored: Range<Int>) {
        perplexity.add(window.score, weight: window.score.losses.count)
        divergences += window.divergences
        positions += scored
        sameTop += window.sameTop.count { $0 }
        for (loss, expected) in zip(window.score.losses, reference.losses) {
            let change = loss - expected
            lossChange += change
            squaredLossChange += change * change
        }
    }

    /// Predictions compared.
    public var tokens: Int { divergences.count }

    /// Mean Kullback-Leibler divergence from the reference, in nats.
    public var mean: Double { divergences.reduce(0, +) / Double(max(tokens, 1)) }

    /// The divergence that a share of the predictions stays below or at, in nats: 0.5 for the median, 1 for the largest.
    public func quantile(_ share: Double) -> Double {
        guard tokens > 0 else { return .nan }
        return divergences.sorted()[min(Int(share * Double(tokens)), tokens - 1)]
    }

    /// Share of the predictions whose most probable token is the reference's.
    public var sameTopShare: Double { Double(sameTop) / Double(max(tokens, 1)) }

    /// Change of the mean loss against the reference: the logarithm of the ratio of the perplexities.
    public var lossDifference: Double { lossChange / Double(max(tokens, 1)) }

    /// Standard error of `lossDifference`, of the differences token by token: far smaller than that of either perplexity.
    public var lossDifferenceError: Double {
        guard tokens > 1 else { return .nan }
        let variance = max(squaredLossChange / Double(tokens) - lossDifference * lossDifference, 0)
        return (variance / Double(tokens - 1)).squareRoot()
    }

    /// The divergence in equal parts of the positions that were compared, in order; fewer parts if there are fewer positions.
    public func byPosition(parts: Int) -> [PositionDivergence] {
        guard let first = positions.min(), let last = positions.max() else { return [] }
        let count = last - first + 1
        let parts = min(max(parts, 1), count)
        var groups = [[Double]](repeating: [], count: parts)
        for (position, divergence) in zip(positions, divergences) {
            groups[(position - first) * parts / count].append(divergence)
        }
        return groups.enumerated().map { index, values in
            // The positions p with (p - first) * parts / count == index.
            let lower = first + (index * count + parts - 1) / parts
            let upper = first + ((index + 1) * count + parts - 1) / parts - 1
            let mean = values.reduce(0, +) / Double(max(values.count, 1))
            let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            let error = values.count > 1 ? (squares / Double(values.count * (values.count - 1))).squareRoot() : nil
            return PositionDivergence(
                firstPosition: lower, lastPosition: upper, tokens: values.count, mean: mean, standardError: error)
        }
    }
}

/// The divergence of predictions at some positions of the context.
public struct PositionDivergence: Codable, Sendable, Hashable {
    /// The first position, counted from 0.
    public let firstPosition: Int
    /// The last position.
    public let lastPosition: Int
    /// Predictions compared.
    public let tokens: Int
    /// Mean Kullback-Leibler divergence, in nats.
    public let mean: Double
    /// Its standard error; nil for a single prediction.
    public let standardError: Double?
}

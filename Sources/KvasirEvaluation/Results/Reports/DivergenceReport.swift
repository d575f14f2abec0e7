internal import Foundation
public import KvasirCache

/// The results of kind `divergence`.
public struct DivergenceReport: Codable, Sendable, Hashable {
    /// How one cache differs from the reference.
    public struct Cache: Codable, Sendable, Hashable {
        /// The cache in canonical spelling.
        public let cache: String
        /// Bits for each cached key value, every overhead counted.
        public let bitsPerValueK: Double
        /// Bits for each cached value, every overhead counted.
        public let bitsPerValueV: Double
        /// Bits that a query read of each key value it saw; missing in files of earlier programs.
        public let bitsReadPerValueK: Double?
        /// Bits that a query read of each value it saw.
        public let bitsReadPerValueV: Double?
        /// What those are made of, where bits follow attention: an average over the ends of the windows.
        public let measuredBits: MeasuredBits?
        /// `exp` of the mean loss.
        public let perplexity: Double
        /// Relative change of the perplexity against the reference.
        public let perplexityChange: Double
        /// Standard error of the change; missing if a single token was compared.
        public let perplexityChangeError: Double?
        /// Mean Kullback-Leibler divergence from the reference, in nats.
        public let mean: Double
        /// The middle one, in nats.
        public let median: Double
        /// What 99 of 100 predictions stay below, in nats.
        public let percentile99: Double
        /// The largest, in nats.
        public let maximum: Double
        /// Share of predictions whose most probable token is the reference's.
        public let sameTop: Double
        /// The mean by position, in parts of equal length.
        public let byPosition: [PositionDivergence]

        /// Creates the row of a cache.
        public init(_ result: DivergenceResult, plan: CachePlan) {
            cache = result.cache.description
            bitsPerValueK = result.perplexity.bits?.keys?.bitsPerValue ?? plan.bitsPerValueK
            bitsPerValueV = result.perplexity.bits?.values?.bitsPerValue ?? plan.bitsPerValueV
            measuredBits = result.perplexity.bits
            bitsReadPerValueK = measuredBits?.keys?.bitsPerValue ?? plan.bitsReadPerValueK(plan.reading)
            bitsReadPerValueV = measuredBits?.values?.bitsPerValue ?? plan.bitsReadPerValueV(plan.reading)
            perplexity = result.perplexity.perplexity
            perplexityChange = exp(result.lossDifference) - 1
            perplexityChangeError = result.lossDifferenceError.isFinite ? result.lossDifferenceError : nil
            mean = result.mean
            median = result.quantile(0.5)
            percentile99 = result.quantile(0.99)
            maximum = result.quantile(1)
            sameTop = result.sameTopShare
            byPosition = result.byPosition(parts: DivergenceReport.parts)
        }
    }

    /// Into how many parts the compared positions are divided.
    public static let parts = 8

    /// The cache that the others are compared with.
    public let reference: String
    /// Its perplexity.
    public let referencePerplexity: Double
    /// Windows compared.
    public let chunks: Int
    /// Predictions compared.
    public let tokens: Int
    /// A row for every cache, in the order they were given.
    public let caches: [Cache]

    /// Creates a report.
    public init(
        reference: CacheConfiguration, _ perplexity: PerplexityResult, results: [DivergenceResult], plans: [CachePlan]
    ) {
        self.reference = reference.description
        referencePerplexity = perplexity.perplexity
        chunks = perplexity.windows
        tokens = perplexity.tokens
        caches = zip(results, plans).map { Cache($0, plan: $1) }
    }
}

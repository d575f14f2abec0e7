public import KvasirCache

/// The results of kind `perplexity`.
public struct PerplexityReport: Codable, Sendable, Hashable {
    /// What one cache gave.
    public struct Cache: Codable, Sendable, Hashable {
        /// The cache in canonical spelling.
        public let cache: String
        /// Bits for each cached key value, every overhead counted.
        public let bitsPerValueK: Double
        /// Bits for each cached value, every overhead counted.
        public let bitsPerValueV: Double
        /// What those are made of, where bits follow attention: an average over the ends of the windows.
        public let measuredBits: MeasuredBits?
        /// `exp` of the mean loss.
        public let perplexity: Double
        /// Missing if a single token was scored.
        public let standardError: Double?
        /// The most bytes that a window's pages took.
        public let cacheBytes: Int

        /// Creates the row of a cache.
        public init(_ result: PerplexityResult, plan: CachePlan) {
            cache = plan.configuration.description
            bitsPerValueK = result.bits?.keys?.bitsPerValue ?? plan.bitsPerValueK
            bitsPerValueV = result.bits?.values?.bitsPerValue ?? plan.bitsPerValueV
            measuredBits = result.bits
            perplexity = result.perplexity
            standardError = result.standardError.isFinite ? result.standardError : nil
            cacheBytes = result.cacheBytes
        }
    }

    /// Windows scored.
    public let chunks: Int
    /// Predictions scored.
    public let tokens: Int
    /// A row for every cache, in the order they were given.
    public let caches: [Cache]

    /// Creates a report of results over the same windows.
    public init(_ results: [PerplexityResult], plans: [CachePlan]) {
        chunks = results.first?.windows ?? 0
        tokens = results.first?.tokens ?? 0
        caches = zip(results, plans).map { Cache($0, plan: $1) }
    }
}

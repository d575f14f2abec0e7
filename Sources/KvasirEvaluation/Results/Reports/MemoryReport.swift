/// The results of kind `memory`: bytes of caches by the length of the context.
public struct MemoryReport: Codable, Sendable, Hashable {
    /// One cache.
    public struct Cache: Codable, Sendable, Hashable {
        /// A length and its bytes.
        public struct Point: Codable, Sendable, Hashable {
            /// Cached tokens of all sequences.
            public let tokens: Int
            /// Bytes of their pages.
            public let cacheBytes: Int

            /// Creates a point.
            public init(tokens: Int, cacheBytes: Int) {
                self.tokens = tokens
                self.cacheBytes = cacheBytes
            }
        }

        /// The cache in canonical spelling.
        public let cache: String
        /// By length.
        public let points: [Point]

        /// Creates the row of a cache.
        public init(cache: String, points: [Point]) {
            self.cache = cache
            self.points = points
        }
    }

    /// A row for every cache.
    public let caches: [Cache]

    /// Creates a report.
    public init(caches: [Cache]) { self.caches = caches }
}

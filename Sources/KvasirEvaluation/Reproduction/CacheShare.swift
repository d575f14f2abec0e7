public import KvasirCache

/// How much of the memory of weights and cache together the cache takes: figures 1 and 2 of the NQKV paper.
public struct CacheShare: Sendable, Hashable, Codable {
    /// The cache.
    public let cache: String
    /// Sequences.
    public let batch: Int
    /// Tokens of each.
    public let length: Int
    /// Bytes of the weights in memory.
    public let weightBytes: Int
    /// Bytes of the pages of all sequences.
    public let cacheBytes: Int
    /// The cache's share.
    public let share: Double

    /// Computes the share from sizes; nothing is run.
    public init(plan: CachePlan, weightBytes: Int, batch: Int, length: Int) {
        cache = plan.configuration.description
        self.batch = batch
        self.length = length
        self.weightBytes = weightBytes
        cacheBytes = batch * plan.bytes(forTokens: length)
        share = Double(cacheBytes) / Double(cacheBytes + weightBytes)
    }

    /// The shares of every plan at every batch and length, in that order.
    public static func table(
        plans: [CachePlan], weightBytes: Int, batches: [Int], lengths: [Int]
    ) -> [CacheShare] {
        plans.flatMap { plan in
            batches.flatMap { batch in
                lengths.map { CacheShare(plan: plan, weightBytes: weightBytes, batch: batch, length: $0) }
            }
        }
    }
}

extension MemoryReport {
    /// Bytes by the tokens of all sequences, for reports of memory.
    public init(_ shares: [CacheShare]) {
        var caches: [Cache] = []
        for name in shares.map(\.cache) where !caches.contains(where: { $0.cache == name }) {
            // The same tokens in more sequences take the same or, where pages are not full, more.
            let points = Dictionary(
                shares.filter { $0.cache == name }.map { ($0.batch * $0.length, $0.cacheBytes) },
                uniquingKeysWith: max)
            caches.append(
                Cache(
                    cache: name,
                    points: points.sorted { $0.key < $1.key }.map { .init(tokens: $0.key, cacheBytes: $0.value) }))
        }
        self.init(caches: caches)
    }
}

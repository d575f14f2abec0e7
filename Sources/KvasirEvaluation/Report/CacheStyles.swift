internal import KvasirCache

/// The style of every cache, the same in all pictures of a report, and which of many are drawn.
struct CacheStyles {
    /// The most lines that can be told apart in a picture, and the most points that can all be named.
    static let most = 10

    private var styles: [String: SeriesStyle] = [:]
    private var preferred: [String] = []

    /// Gives every cache a style, in order of appearance; caches that are floats are what others are compared with.
    ///
    /// - Parameter best: those that are drawn first where not all can be, beside half precision and the default.
    init(_ caches: [String], best: [String] = []) {
        preferred = caches.filter(Self.isReference) + [CacheConfiguration.default.description] + best + caches
        var next = 0
        for cache in preferred where styles[cache] == nil && caches.contains(cache) {
            if Self.isReference(cache) {
                styles[cache] = .reference
            } else {
                styles[cache] = SeriesStyle(index: next)
                next += 1
            }
        }
    }

    /// The style of a cache.
    subscript(cache: String) -> SeriesStyle { styles[cache] ?? SeriesStyle(index: styles.count) }

    /// Those of some caches that are drawn as lines, in their order: all where they can be told apart.
    func drawn(_ caches: [String]) -> [String] {
        guard caches.count > Self.most else { return caches }
        var chosen: [String] = []
        for cache in preferred where chosen.count < Self.most && caches.contains(cache) && !chosen.contains(cache) {
            chosen.append(cache)
        }
        return caches.filter(chosen.contains)
    }

    /// What a caption says where not all caches are drawn.
    func note(_ caches: [String]) -> String {
        let count = drawn(caches).count
        return count == caches.count
            ? ""
            : " Drawn are \(count) of \(caches.count) caches: f16, the default, and of the others those that no other beats in "
                + "both size and divergence first; the numbers below are of all."
    }

    /// Whether a cache is half precision.
    static func isReference(_ cache: String) -> Bool { cache == "f16" }
}

/// The style of every cache, the same in all pictures of a report.
struct CacheStyles {
    private var styles: [String: SeriesStyle] = [:]

    /// Gives every cache a style, in order of appearance; caches that are floats are what others are compared with.
    init(_ caches: [String]) {
        var next = 0
        for cache in caches where styles[cache] == nil {
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

    /// Whether a cache is half precision.
    static func isReference(_ cache: String) -> Bool { cache == "f16" }
}

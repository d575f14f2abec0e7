import KvasirCache
import KvasirCodecs
import KvasirModels
import KvasirNumerics
import Testing

@testable import KvasirEngine

/// Full pages by the tokens that lead to them.
struct PrefixCacheTests {
    private let engine: InferenceEngine

    init() throws { engine = try TinyModel.quantized.engine(cache: "nf4", precision: .int8) }

    private func sequence(_ tokens: [Int32]) throws -> CacheSequence {
        let sequence = engine.makeSequence()
        try engine.prefill(tokens[...], into: sequence)
        return sequence
    }

    private func expectEvictable(
        _ cache: inout PrefixCache, _ bytes: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let evictable = cache.evictableBytes()
        #expect(evictable == bytes, sourceLocation: sourceLocation)
    }

    @Test func whatWasInsertedIsFoundAndNothingElse() throws {
        var cache = PrefixCache(engine.plan)
        let tokens = scatteredTokens(200)
        cache.insert(try sequence(tokens), tokens, from: 0)
        #expect(cache.count == 3)
        #expect(cache.length(tokens, limit: 200) == 192)
        #expect(cache.length(tokens, limit: 191) == 128)
        var other = tokens
        other[64] += 1
        #expect(cache.length(other, limit: 200) == 64)
        other[0] += 1
        #expect(cache.length(other, limit: 200) == 0)
        // The same page after another beginning is another page.
        #expect(cache.length(Array(tokens[64..<128]), limit: 64) == 0)
        let found = cache.pages(tokens, from: 64, limit: 200)
        #expect(found.pages.count == 2)
    }

    @Test func equalPagesAreHeldOnce() throws {
        var cache = PrefixCache(engine.plan)
        let tokens = scatteredTokens(192)
        let (first, second) = (try sequence(tokens), try sequence(tokens))
        let before = second.contents()
        #expect(engine.pool.bytesInUse == 6 * engine.plan.pageBytes)
        cache.insert(first, tokens, from: 0)
        cache.insert(second, tokens, from: 0)
        #expect(engine.pool.bytesInUse == 3 * engine.plan.pageBytes)
        #expect(second.contents() == before)
        expectEvictable(&cache, 0)
    }

    @Test func theLeastRecentlyUsedGoFirstFromTheEnd() throws {
        var cache = PrefixCache(engine.plan)
        let (old, new) = (scatteredTokens(128, seed: 1), scatteredTokens(128, seed: 2))
        var held: CacheSequence? = try sequence(old)
        if let held { cache.insert(held, old, from: 0) }
        cache.insert(try sequence(new), new, from: 0)
        // What a sequence holds cannot be given up.
        expectEvictable(&cache, 2 * engine.plan.pageBytes)
        held = nil
        expectEvictable(&cache, 4 * engine.plan.pageBytes)
        cache.evict(1)
        #expect(cache.length(old, limit: 128) == 64 && cache.length(new, limit: 128) == 128)
        _ = cache.pages(old, from: 0, limit: 128)
        cache.evict(2 * engine.plan.pageBytes)
        #expect(cache.length(old, limit: 128) == 64 && cache.length(new, limit: 128) == 0)
        cache.evict(.max)
        #expect(cache.count == 0 && engine.pool.bytesInUse == 0)
    }

    /// Pages whose bits follow attention take what is left of them.
    @Test func whatComesFreeIsWhatPagesTake() throws {
        let engine = try TinyModel.quantized.engine(cache: "qaq", precision: .int8)
        var cache = PrefixCache(engine.plan)
        let tokens = scatteredTokens(192)
        var sequence: CacheSequence? = engine.makeSequence()
        if let sequence {
            try engine.prefill(tokens[...], into: sequence)
            cache.insert(sequence, tokens, from: 0)
        }
        let bytes = engine.pool.bytesInUse
        #expect(bytes < 3 * engine.plan.pageBytes && cache.sharedBytes(tokens, limit: 192) == bytes)
        expectEvictable(&cache, 0)
        sequence = nil
        expectEvictable(&cache, bytes)
        #expect(cache.sharedBytes(tokens, limit: 192) == 0)
        cache.evict(1)
        #expect(cache.count == 2)
        cache.evict(bytes)
        #expect(cache.count == 0 && engine.pool.bytesInUse == 0)
    }

    @Test func aSharedPageIsCopiedBeforeItIsWritten() throws {
        let tokens = scatteredTokens(128)
        let first = try sequence(tokens)
        let before = first.contents()
        let second = engine.makeSequence()
        second.adopt([first.sealedPage(0), first.sealedPage(1)])
        #expect(second.contents() == before)
        #expect(second.truncate(to: 70) == 70)
        try engine.prefill(scatteredTokens(40, seed: 9)[...], into: second)
        #expect(first.contents() == before)
        let fresh = try sequence(Array(tokens.prefix(70)) + scatteredTokens(40, seed: 9))
        #expect(second.contents() == fresh.contents())
    }

    /// What lies beside pages is given up by itself, and then a prefix ends where everything is still there.
    @Test func whatLiesBesidePagesGoesFirst() throws {
        let engine = try TinyModel.quantized.engine(cache: "nf4; recent=64", precision: .int8)
        let plan = engine.plan
        var cache = PrefixCache(plan)
        let tokens = scatteredTokens(64 * 6)
        do {
            let sequence = engine.makeSequence()
            for page in 0..<6 {
                try engine.prefill(tokens[page * 64..<(page + 1) * 64], into: sequence)
                cache.insert(sequence, tokens, from: page)
            }
        }
        #expect(cache.length(tokens, limit: 384) == 384)
        // Every page's copies are kept, so the prefix can be left anywhere.
        for pages in 1...6 { #expect(cache.length(tokens, limit: pages * 64) == pages * 64) }
        #expect(cache.evictableBytes() == 6 * (plan.pageBytes + plan.windowPageBytes))
        #expect(engine.pool.bytesInUse == cache.evictableBytes())
        // A sequence that takes over all of it reads the copies of the last three pages.
        let other = engine.makeSequence()
        let found = cache.pages(tokens, from: 0, limit: 384)
        other.adopt(found.pages, sides: found.sides)
        #expect(cache.evictableBytes() == 3 * plan.windowPageBytes)
        cache.evict(plan.windowPageBytes)
        #expect(cache.length(tokens, limit: 64) == 0 && cache.length(tokens, limit: 384) == 384)
        cache.evict(.max)
        #expect(cache.evictableBytes() == 0)
        #expect(cache.length(tokens, limit: 320) == 0 && cache.length(tokens, limit: 384) == 384)
        #expect(engine.pool.bytesInUse == other.bytes)
    }
}

import KvasirCodecs
import KvasirNumerics
import Testing

@testable import KvasirCache

/// Layers with a sliding window hold the pages of their window, one page of slack, and nothing else.
struct LocalPageTests {
    private func plan(_ configuration: String, windows: [Int?]) throws -> CachePlan {
        try CachePlan(
            CacheConfiguration(parsing: configuration),
            shape: CacheShape(
                layers: windows.count, heads: HeadShape(kvHeads: 2, headSize: 32), queryHeads: 4, windows: windows),
            instructionSet: .best)
    }

    @Test(arguments: ["f16", "nf4", "K=nf4,V=f16; recent=20; sinks=70", "kivi4"])
    func bytesFollowFromTheLength(configuration: String) throws {
        for windows in [[100, 100, nil], [10], [nil, 64, 200, nil]] as [[Int?]] {
            let plan = try plan(configuration, windows: windows)
            let pool = PagePool(plan: plan)
            for step in [1, 64, 130] {
                let sequence = CacheSequence(plan: plan, pool: pool)
                while sequence.count < 1_000 {
                    let tokens = min(step, 1_000 - sequence.count)
                    try sequence.reserve(tokens)
                    sequence.advance(tokens)
                    #expect(sequence.bytes == plan.bytes(forTokens: sequence.count))
                    #expect(pool.bytesInUse == sequence.bytes)
                    #expect(sequence.footprint.total == sequence.bytes)
                    #expect(sequence.footprint.slack >= 0)
                }
                for (layer, window) in windows.enumerated() {
                    let held = sequence.heldTokens(layer: layer)
                    #expect(held.upperBound == 1_000)
                    // What the next queries read after a cut of 64 tokens, and less than two pages more.
                    let needed = window.map { 1_000 - 64 + 1 - $0 } ?? 0
                    #expect(held.lowerBound <= max(needed, 0))
                }
                #expect(sequence.truncate(to: 940) == 940)
                #expect(pool.bytesInUse <= plan.bytes(forTokens: 1_000))
            }
            #expect(pool.bytesInUse == 0)
        }
    }

    @Test func longContextsTakeWhatTheirWindowsTake() throws {
        let sliding = try plan("f16", windows: [128, 128, 128, nil])
        let all = try plan("f16", windows: [nil, nil, nil, nil])
        let layer = 64 * 64 * 2 * 2
        // One page of each layer's window, one for its edge, and one of slack beside the pages of 128 tokens.
        #expect(all.bytes(forTokens: 64_000) == 4 * 1_000 * layer)
        #expect(sliding.bytes(forTokens: 64_000) == 1_000 * layer + 3 * 4 * layer)
        #expect(sliding.f16Bytes(forTokens: 64_000) == sliding.bytes(forTokens: 64_000))
        #expect(sliding.localTokens(ofTokens: 64_000) == 4 * 64)
        #expect(sliding.footprint(forTokens: 64_000).total == sliding.bytes(forTokens: 64_000))
        #expect(sliding.layerGroups.map(\.slidingWindow) == [128, nil])
    }

    @Test(arguments: ["f16", "nf4; recent=100; sinks=4"])
    func budgetHoldsAsManyTokensAsItSays(configuration: String) throws {
        for windows in [[100, nil], [100, 300], [nil, nil]] as [[Int?]] {
            let plan = try plan(configuration, windows: windows)
            for budget in [0, 10_000, 300_000, 5_000_000, .max] {
                let tokens = plan.tokens(inBytes: budget)
                guard tokens < Int.max else { continue }
                #expect(plan.bytes(forTokens: tokens) <= budget)
                #expect(budget == .max || plan.bytes(forTokens: tokens + 1) > budget)
                let inSteps = plan.tokens(inBytes: budget, inStepsOf: 128)
                #expect(inSteps <= tokens)
                #expect(budget == .max || plan.peakBytes(forTokens: inSteps, inStepsOf: 128) <= budget)
            }
        }
    }

    @Test func poolGivesAllPagesOrNone() throws {
        let plan = try plan("f16", windows: [100, nil])
        let pool = PagePool(plan: plan, budget: plan.bytes(forTokens: 128) + plan.pageBytes)
        let sequence = CacheSequence(plan: plan, pool: pool)
        try sequence.reserve(128)
        #expect(throws: CacheError.self) { try sequence.reserve(129) }
        #expect(pool.bytesInUse == plan.bytes(forTokens: 128))
    }
}

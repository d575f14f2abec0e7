internal import Foundation
internal import KvasirCodecs
internal import KvasirNumerics
internal import Synchronization

/// Where all cache memory comes from: packed, window and local pages, each of one size, within one byte budget.
public final class PagePool: Sendable {
    /// The plan that the pages follow.
    public let plan: CachePlan
    /// The most bytes that pages may take together.
    public let budget: Int

    private let inUse = Atomic<Int>(0)
    private let highest = Atomic<Int>(0)

    /// Creates a pool for the pages of a plan.
    ///
    /// - Parameters:
    ///   - plan: decides the sizes of the pages.
    ///   - budget: bytes; nothing is taken before a page is asked for.
    public init(plan: CachePlan, budget: Int = .max) {
        self.plan = plan
        self.budget = budget
    }

    /// Bytes of the pages that exist now.
    public var bytesInUse: Int { inUse.load(ordering: .relaxed) }

    /// The most bytes that existed at one time.
    public var peakBytes: Int { highest.load(ordering: .relaxed) }

    /// The longest sequence the budget holds if it is the only one.
    ///
    /// - Parameter step: the most tokens of one step.
    public func tokenCapacity(inStepsOf step: Int = 1) -> Int { plan.tokens(inBytes: budget, inStepsOf: step) }

    /// Checks that the budget holds one sequence of `tokens` tokens; takes nothing.
    ///
    /// - Parameters:
    ///   - tokens: length of the sequence.
    ///   - step: the most tokens of one step.
    /// - Throws: `CacheError` that says how much is needed.
    public func checkRoom(forTokens tokens: Int, inStepsOf step: Int = 1) throws(CacheError) {
        let capacity = tokenCapacity(inStepsOf: step)
        guard tokens > capacity else { return }
        let needed = plan.peakBytes(forTokens: tokens, inStepsOf: step)
        throw CacheError(
            .overBudget, received: "\(tokens) tokens need \(ByteCount(needed)) of cache (\(needed) bytes)",
            detail: "the budget of \(ByteCount(budget)) holds \(capacity); "
                + "raise --cache-budget, ask for fewer tokens or store fewer bits")
    }

    /// Creates pages, all bytes zero: all of them or none.
    ///
    /// - Throws: `CacheError` if the budget, or the system, does not allow for all of them.
    func pages(
        packed: Int, window: Int, local: Int = 0
    ) throws(CacheError) -> (packed: [CachePage], window: [CachePage], local: [CachePage]) {
        let wanted = packed * plan.fixedPageBytes + window * plan.windowPageBytes + local * plan.localPageBytes
        try take(wanted)
        // What is counted and does not come to be.
        var missing = wanted
        do throws(CacheError) {
            let pages = (
                packed: try create(packed, bytes: plan.fixedPageBytes, missing: &missing),
                window: try create(window, bytes: plan.windowPageBytes, missing: &missing),
                local: try create(local, bytes: plan.localPageBytes, missing: &missing)
            )
            return pages
        } catch {
            // Those that exist subtract themselves as they go.
            giveBack(missing)
            throw error
        }
    }

    /// Counts bytes that will be allocated as in use.
    ///
    /// - Throws: `CacheError` if the budget does not allow for them; nothing is counted then.
    func take(_ bytes: Int) throws(CacheError) {
        let total = inUse.add(bytes, ordering: .relaxed).newValue
        guard total <= budget else {
            inUse.subtract(bytes, ordering: .relaxed)
            throw CacheError(
                .overBudget, received: "cache of \(ByteCount(total))",
                detail:
                    "the budget is \(ByteCount(budget)); raise --cache-budget, shorten the context or store fewer bits")
        }
        highest.max(total, ordering: .relaxed)
    }

    /// Counts bytes as free again.
    func giveBack(_ bytes: Int) { inUse.subtract(bytes, ordering: .relaxed) }

    private func create(_ count: Int, bytes: Int, missing: inout Int) throws(CacheError) -> [CachePage] {
        var pages: [CachePage] = []
        for _ in 0..<count {
            var memory: UnsafeMutableRawPointer?
            guard posix_memalign(&memory, PageGeometry.alignment, bytes) == 0, let memory else {
                throw CacheError(
                    .outOfMemory, received: "page of \(ByteCount(bytes))",
                    detail: "the system has no memory left after \(ByteCount(bytesInUse)) of cache; shorten the context"
                )
            }
            memset(memory, 0, bytes)
            missing -= bytes
            pages.append(CachePage(memory: memory, bytes: bytes, pool: self))
        }
        return pages
    }

    fileprivate func release(_ page: CachePage, bytes: Int) {
        let extents = page.releaseExtents()
        free(page.memory)
        giveBack(bytes + extents)
    }
}

/// The memory of `PageGeometry.tokens` tokens of one sequence, keys and values of its layers.
///
/// Append-only: a full packed page never changes again, so sequences with a common prefix may hold the same page; it goes
/// back to its pool with the last of them. A window or local page belongs to one sequence, which may use it
/// again for other tokens.
final class CachePage: @unchecked Sendable {  // written by its only owner, read by all
    let memory: UnsafeMutableRawPointer
    /// Planes of the parts whose bits follow attention; none before tokens are stored there.
    var extents = UnsafeMutableBufferPointer<Extent>(start: nil, count: 0)
    /// Whether the bits of its tokens stay as they are.
    private(set) var isSealed = false
    private let bytes: Int
    private let pool: PagePool

    init(memory: UnsafeMutableRawPointer, bytes: Int, pool: PagePool) {
        self.memory = memory
        self.bytes = bytes
        self.pool = pool
    }

    deinit { pool.release(self, bytes: bytes) }

    /// Keeps the bits of its tokens as they are, and gives up what could raise them.
    func seal() {
        guard !isSealed else { return }
        isSealed = true
        pool.giveBack(releaseCopies(pool.plan))
    }
}

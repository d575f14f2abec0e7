internal import Foundation
internal import KvasirCodecs
internal import KvasirNumerics
internal import Synchronization

/// Where all cache memory comes from: pages of one size, within a byte budget.
public final class PagePool: Sendable {
    /// Size of a page.
    public let pageBytes: Int
    /// The most bytes that pages may take together.
    public let budget: Int

    private let inUse = Atomic<Int>(0)
    private let highest = Atomic<Int>(0)

    /// Creates a pool for the pages of a plan.
    ///
    /// - Parameters:
    ///   - plan: decides the size of a page.
    ///   - budget: bytes; nothing is taken before a page is asked for.
    public init(plan: CachePlan, budget: Int = .max) {
        pageBytes = plan.pageBytes
        self.budget = budget
    }

    /// Bytes of the pages that exist now.
    public var bytesInUse: Int { inUse.load(ordering: .relaxed) }

    /// The most bytes that existed at one time.
    public var peakBytes: Int { highest.load(ordering: .relaxed) }

    /// Creates pages, all bytes zero: all of them or none.
    ///
    /// - Throws: `CacheError` if the budget, or the system, does not allow for all of them.
    func pages(_ count: Int) throws(CacheError) -> [CachePage] {
        let wanted = count * pageBytes
        let total = inUse.add(wanted, ordering: .relaxed).newValue
        guard total <= budget else {
            inUse.subtract(wanted, ordering: .relaxed)
            throw CacheError(
                .overBudget, received: "cache of \(ByteCount(total))",
                detail:
                    "the budget is \(ByteCount(budget)); raise --cache-budget, shorten the context or store fewer bits")
        }
        var pages: [CachePage] = []
        for index in 0..<count {
            var memory: UnsafeMutableRawPointer?
            guard posix_memalign(&memory, PageGeometry.alignment, pageBytes) == 0, let memory else {
                // Those that exist subtract themselves as they go.
                inUse.subtract((count - index) * pageBytes, ordering: .relaxed)
                throw CacheError(
                    .outOfMemory, received: "page of \(ByteCount(pageBytes))",
                    detail: "the system has no memory left after \(ByteCount(bytesInUse)) of cache; shorten the context"
                )
            }
            memset(memory, 0, pageBytes)
            pages.append(CachePage(memory: memory, pool: self))
        }
        highest.max(total, ordering: .relaxed)
        return pages
    }

    fileprivate func release(_ memory: UnsafeMutableRawPointer) {
        free(memory)
        inUse.subtract(pageBytes, ordering: .relaxed)
    }
}

/// The memory of `PageGeometry.tokens` tokens of one sequence, all layers, keys and values.
///
/// Append-only: a full page never changes again, so sequences with a common prefix may hold the same page; it goes back to
/// its pool with the last of them.
final class CachePage: @unchecked Sendable {  // written by its only owner, read by all
    let memory: UnsafeMutableRawPointer
    private let pool: PagePool

    init(memory: UnsafeMutableRawPointer, pool: PagePool) {
        self.memory = memory
        self.pool = pool
    }

    deinit { pool.release(memory) }
}

internal import KvasirCodecs

/// A full page of some sequence: `PageGeometry.tokens` tokens that never change again, for others with the same beginning.
///
/// Memory is counted once, however many hold the page, and goes back to the pool with the last of them.
public struct SealedPage: @unchecked Sendable {  // what it refers to is only read
    fileprivate var page: CachePage

    /// Whether nobody else holds the page.
    public var isUnshared: Bool {
        mutating get { isKnownUniquelyReferenced(&page) }
    }
}

extension CachePlan {
    /// Whether sequences can share pages: not where window or local pages, which one sequence recycles, hold tokens besides,
    /// nor where bits follow attention: a page's bits depend on the tokens after it, which are each sequence's own.
    public var sharesPages: Bool { windowPageBytes + localPageBytes == 0 && !isAdaptive }
}

extension CacheSequence {
    /// Pages that are full.
    public var sealedPages: Int { plan.sharesPages ? count / PageGeometry.tokens : 0 }

    /// A full page.
    public func sealedPage(_ index: Int) -> SealedPage {
        precondition(index < sealedPages, "only full pages are sealed")
        return SealedPage(page: page(index))
    }

    /// Continues with the pages of other sequences whose tokens are those that would come next.
    ///
    /// - Precondition: the plan shares pages, the cached tokens fill whole pages, and nothing is reserved behind them.
    public func adopt(_ sealed: [SealedPage]) {
        precondition(plan.sharesPages, "pages beside the packed ones belong to one sequence")
        append(sealed.map(\.page))
    }

    /// Puts an equal page in the place of a full one, so that both need not be held.
    public func share(_ sealed: SealedPage, asPage index: Int) {
        precondition(index < sealedPages, "only full pages are shared")
        replacePage(index, with: sealed.page)
    }
}

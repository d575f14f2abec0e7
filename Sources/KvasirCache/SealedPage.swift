internal import KvasirCodecs

/// A full page of some sequence: `PageGeometry.tokens` tokens that never change again, for others with the same beginning.
///
/// Where bits follow attention, tokens keep those that they have when the page is sealed: no sequence that holds it, its
/// first owner included, decides about them again.
///
/// Memory is counted once, however many hold the page, and goes back to the pool with the last of them.
public struct SealedPage: @unchecked Sendable {  // what it refers to is only read
    fileprivate var page: CachePage

    init(_ page: CachePage) { self.page = page }

    /// Whether nobody else holds the page.
    public var isUnshared: Bool {
        mutating get { isKnownUniquelyReferenced(&page) }
    }

    /// The page's bytes; valid while somebody holds it.
    var memory: UnsafeMutableRawPointer { page.memory }

    /// What it takes; less than `CachePlan.pageBytes` where bits were dropped.
    public func bytes(_ plan: CachePlan) -> Int { plan.fixedPageBytes + page.extentBytes }
}

extension CacheSequence {
    /// Pages that are full: they never change again, or where bits follow attention, can be made not to.
    public var sealedPages: Int { count / PageGeometry.tokens }

    /// Whether the cached tokens fill their pages and nothing is reserved behind them: pages of others can follow.
    public var endsWithAFullPage: Bool { count == capacity }

    /// A full page, which from now on does not change.
    ///
    /// Where bits follow attention (`CachePlan.isAdaptive`), a sequence that goes on after this goes on differently: ask
    /// for pages when it has ended.
    public func sealedPage(_ index: Int) -> SealedPage {
        precondition(index < sealedPages, "only full pages are sealed")
        page(index).seal()
        return SealedPage(page(index))
    }

    /// Continues with the pages of other sequences whose tokens are those that would come next.
    ///
    /// The results are those of computing the tokens, except where bits follow attention: then the tokens have the bits that
    /// the attention of another sequence gave them.
    ///
    /// - Parameters:
    ///   - sealed: the pages that come next.
    ///   - sides: what lies beside each of them; what the sequence will hold of it must be there, see
    ///     `CachePlan.sides(ofPage:in:)`. May be left out where the plan has no such pages.
    /// - Precondition: `endsWithAFullPage`.
    public func adopt(_ sealed: [SealedPage], sides: [SidePages] = []) {
        precondition(sides.count == sealed.count || !plan.hasSidePages, "every page has what lies beside it")
        append(sealed.map(\.page), window: sides.map(\.window), local: sides.map(\.local))
    }

    /// Puts an equal page in the place of a full one, so that both need not be held.
    public func share(_ sealed: SealedPage, asPage index: Int) {
        precondition(index < sealedPages, "only full pages are shared")
        replacePage(index, with: sealed.page)
    }
}

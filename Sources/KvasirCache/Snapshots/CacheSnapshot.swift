internal import KvasirCodecs

/// The full pages at the beginning of a sequence with all that is read beside them when a sequence goes on from there.
///
/// It holds the pages, which never change, so it can be read by any thread while the sequence goes on.
public struct CacheSnapshot: Sendable {
    /// The plan of the pages.
    public let plan: CachePlan
    /// The packed pages, from the first.
    public let pages: [SealedPage]
    /// What lies beside each of them, as far as a sequence of so many pages holds it.
    public let sides: [SidePages]

    /// Takes pages.
    ///
    /// - Precondition: of what lies beside the pages everything is there that a sequence of so many pages holds.
    public init(plan: CachePlan, pages: [SealedPage], sides: [SidePages]) {
        precondition(pages.count == sides.count, "every page has what lies beside it")
        self.plan = plan
        self.pages = pages
        self.sides = sides.enumerated().map { index, side in
            let needed = plan.sides(ofPage: index, in: pages.count)
            precondition(side.parts.isSuperset(of: needed), "a page is missing that queries read")
            return side.only(needed)
        }
    }

    /// The full pages of a sequence; nil if it has begun another page and no longer holds what is read after the full ones.
    public init?(_ sequence: CacheSequence) {
        let count = sequence.sealedPages
        let sides = (0..<count).map(sequence.sidePages)
        for (index, side) in sides.enumerated()
        where !side.parts.isSuperset(of: sequence.plan.sides(ofPage: index, in: count)) { return nil }
        self.init(plan: sequence.plan, pages: (0..<count).map(sequence.sealedPage), sides: sides)
    }

    /// Tokens of the pages.
    public var tokens: Int { pages.count * PageGeometry.tokens }

    /// How the pages lie one behind the other in a file.
    public var layout: SnapshotLayout { SnapshotLayout(plan, pages: pages.count) }

    /// Calls `body` with the bytes of every page in the order of `layout`.
    public func forEachPage<Failure>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        for page in pages { try body(UnsafeRawBufferPointer(start: page.memory, count: plan.pageBytes)) }
        for page in sides.compactMap(\.window) {
            try body(UnsafeRawBufferPointer(start: page.memory, count: plan.windowPageBytes))
        }
        for page in sides.compactMap(\.local) {
            try body(UnsafeRawBufferPointer(start: page.memory, count: plan.localPageBytes))
        }
    }
}

extension CacheSnapshot {
    /// Bytes of the pages that `init(copying:)` would make.
    ///
    /// - Parameters:
    ///   - known: packed pages from the first that are in memory already.
    ///   - knownSides: what lies beside the first pages and is in memory already.
    public static func bytes(
        toRestore layout: SnapshotLayout, _ plan: CachePlan, known: Int, knownSides: [SidePages]
    ) -> Int {
        let missing = missing(layout, known: known, knownSides)
        return missing.packed.count * plan.pageBytes + missing.windows.count * plan.windowPageBytes
            + missing.locals.count * plan.localPageBytes
    }

    /// Copies pages out of bytes, as `forEachPage` gave them.
    ///
    /// - Parameters:
    ///   - bytes: as many as the layout has.
    ///   - layout: of the plan of the pool.
    ///   - pool: where the pages come from.
    ///   - known: packed pages from the first that are in memory already, with the same contents; they are not copied.
    ///   - knownSides: what lies beside the first pages and is in memory already.
    /// - Throws: `CacheError` if the pool has no room; it then has what it had.
    public init(
        copying bytes: UnsafeRawBufferPointer, layout: SnapshotLayout, pool: PagePool, known: [SealedPage] = [],
        knownSides: [SidePages] = []
    ) throws(CacheError) {
        precondition(bytes.count == layout.byteCount, "the bytes are those of the layout")
        let missing = Self.missing(layout, known: known.count, knownSides)
        let new = try pool.pages(
            packed: missing.packed.count, window: missing.windows.count, local: missing.locals.count)
        func fill(_ page: CachePage, _ range: Range<Int>?) {
            guard let range, let start = bytes.baseAddress else {
                preconditionFailure("the layout has every page that is missing")
            }
            page.memory.copyMemory(from: start + range.lowerBound, byteCount: range.count)
        }
        for (index, page) in zip(missing.packed, new.packed) { fill(page, layout.packed(index)) }
        var sides = (0..<layout.pages).map { $0 < knownSides.count ? knownSides[$0] : SidePages() }
        for (index, page) in zip(missing.windows, new.window) {
            fill(page, layout.window(index))
            sides[index].window = page
        }
        for (index, page) in zip(missing.locals, new.local) {
            fill(page, layout.local(index))
            sides[index].local = page
        }
        self.init(plan: pool.plan, pages: known.prefix(layout.pages) + new.packed.map(SealedPage.init), sides: sides)
    }

    private static func missing(
        _ layout: SnapshotLayout, known: Int, _ sides: [SidePages]
    ) -> (packed: Range<Int>, windows: [Int], locals: [Int]) {
        (
            packed: min(known, layout.pages)..<layout.pages,
            windows: layout.windows.filter { $0 >= sides.count || sides[$0].window == nil },
            locals: layout.locals.filter { $0 >= sides.count || sides[$0].local == nil }
        )
    }
}

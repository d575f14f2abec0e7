internal import KvasirCodecs

/// How the pages of a snapshot lie one behind the other: packed pages, then window pages, then local pages, each kind by the
/// number of its packed page.
///
/// Which there are follows from the plan and the number of packed pages.
public struct SnapshotLayout: Sendable, Hashable {
    /// Packed pages.
    public let pages: Int
    /// Packed pages beside which there is a window page.
    public let windows: [Int]
    /// Packed pages beside which there is a local page.
    public let locals: [Int]
    private let pageBytes: Int
    private let windowBytes: Int
    private let localBytes: Int

    /// The layout of a snapshot of `pages` packed pages.
    public init(_ plan: CachePlan, pages: Int) {
        precondition(pages >= 0, "no negative number of pages")
        self.pages = pages
        windows = Self.held(plan.window, pages)
        locals = Self.held(plan.local, pages)
        (pageBytes, windowBytes, localBytes) = (plan.pageBytes, plan.windowPageBytes, plan.localPageBytes)
    }

    /// All pages together.
    public var byteCount: Int { pages * pageBytes + windows.count * windowBytes + locals.count * localBytes }

    /// Where a packed page lies.
    func packed(_ index: Int) -> Range<Int> { range(0, index, pageBytes) }

    /// Where the window page beside a packed one lies.
    func window(_ index: Int) -> Range<Int>? {
        Self.place(of: index, in: windows).map { range(pages * pageBytes, $0, windowBytes) }
    }

    /// Where the local page beside a packed one lies.
    func local(_ index: Int) -> Range<Int>? {
        Self.place(of: index, in: locals).map {
            range(pages * pageBytes + windows.count * windowBytes, $0, localBytes)
        }
    }

    private func range(_ start: Int, _ index: Int, _ bytes: Int) -> Range<Int> {
        start + index * bytes..<start + (index + 1) * bytes
    }

    private static func held(_ geometry: WindowGeometry, _ pages: Int) -> [Int] {
        guard geometry.pageBytes > 0 else { return [] }
        let sinks = min(geometry.sinkPages, pages)
        let recent = geometry.recentPages > 0 ? max(geometry.firstRecent(ofPages: pages), sinks) : pages
        return Array(0..<sinks) + Array(recent..<pages)
    }

    /// The place of a number in an ascending list.
    private static func place(of index: Int, in list: [Int]) -> Int? {
        var (low, high) = (0, list.count)
        while low < high {
            let middle = (low + high) / 2
            if list[middle] < index { low = middle + 1 } else { high = middle }
        }
        return low < list.count && list[low] == index ? low : nil
    }
}

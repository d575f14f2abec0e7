internal import KvasirCodecs

/// The window pages of one sequence, by the number of the packed page whose tokens they hold.
struct WindowPages {
    let geometry: WindowGeometry
    /// The address of every page up to the last one placed; of a page that is not held, that of the packed one, which
    /// nobody reads as a window.
    private(set) var addresses: [UnsafeRawPointer] = []
    private var pages: [CachePage?] = []
    /// Pages set aside for the steps of a reservation.
    private var spares: [CachePage] = []
    /// From this page on, every one up to the last is held.
    private var first = 0
    private var held = 0

    init(_ geometry: WindowGeometry) { self.geometry = geometry }

    /// Pages that exist, those set aside included.
    var count: Int { held + spares.count }

    /// Pages that exist once there is one for every one of `packed` packed pages that needs it.
    func count(placing packed: Int) -> Int {
        guard geometry.pageBytes > 0, packed > pages.count else { return count }
        let end = geometry.recentPages > 0 ? packed : min(packed, geometry.sinkPages)
        return max(held + max(end - pages.count, 0), count)
    }

    /// The memory of a page; nil if it is not held.
    func memory(page: Int) -> UnsafeMutableRawPointer? { pages[page]?.memory }

    mutating func add(spares: [CachePage]) { self.spares += spares }

    mutating func releaseSpares() { spares.removeAll() }

    /// Puts pages that were set aside in place, so that there is one for every packed page that needs it.
    mutating func place(beside packed: ArraySlice<UnsafeRawPointer>) {
        guard geometry.pageBytes > 0 else { return }
        for index in pages.count..<max(packed.endIndex, pages.count) {
            let isKept = geometry.recentPages > 0 || index < geometry.sinkPages
            if isKept {
                guard let page = spares.popLast() else { preconditionFailure("no page was set aside") }
                pages.append(page)
                addresses.append(UnsafeRawPointer(page.memory))
                held += 1
            } else {
                pages.append(nil)
                addresses.append(packed[index])
            }
        }
    }

    /// Gives up the pages that a sequence of `count` packed pages no longer needs; sets them aside if more are to come.
    mutating func drop(beside packed: ArraySlice<UnsafeRawPointer>, pages count: Int, keepingSpares: Bool) {
        let next = geometry.firstRecent(ofPages: count)
        guard geometry.pageBytes > 0, next > first else { return }
        for index in max(first, geometry.sinkPages)..<max(next, geometry.sinkPages) {
            guard pages[index] != nil else { continue }
            // A page that others hold stays as it is and is not used again here.
            if keepingSpares, !isShared(index), let page = pages[index] { spares.append(page) }
            pages[index] = nil
            addresses[index] = packed[index]
            held -= 1
        }
        first = next
    }

    /// The longest length up to `length` after which nothing is missing that a query reads.
    ///
    /// - Parameter start: the first token besides the sinks that a query at `length` reads in f16.
    func restorable(_ length: Int, start: Int) -> Int {
        let isMissing =
            geometry.recentPages > 0 && first > geometry.sinkPages && start < first * PageGeometry.tokens
        return isMissing ? min(length, geometry.sinkPages * PageGeometry.tokens) : length
    }

    /// Gives up the pages from `count` on.
    mutating func truncate(toPages count: Int) {
        guard count < pages.count else { return }
        held -= pages[count...].count { $0 != nil }
        pages.removeSubrange(count...)
        addresses.removeSubrange(count...)
        first = min(first, count)
    }

    // MARK: Sharing

    /// The page beside a packed one; nil if it is not held.
    func page(_ index: Int) -> CachePage? { index < pages.count ? pages[index] : nil }

    /// Whether the page beside a packed one is held here and by others.
    mutating func isShared(_ index: Int) -> Bool {
        index < pages.count && pages[index] != nil && !isKnownUniquelyReferenced(&pages[index])
    }

    /// Pages that others hold, too: these are not used again for other tokens.
    mutating func sharedCount() -> Int {
        var shared = 0
        for index in pages.indices where isShared(index) { shared += 1 }
        return shared
    }

    /// Puts a page in the place of one that is held.
    mutating func replace(_ index: Int, with page: CachePage) {
        guard index < pages.count, pages[index] != nil else { return }
        pages[index] = page
        addresses[index] = UnsafeRawPointer(page.memory)
    }

    /// Puts pages of others in place behind those that are there, and gives up what a sequence of so many no longer holds.
    ///
    /// - Parameters:
    ///   - shared: for every packed page that was added; only those that the sequence holds then must be there.
    ///   - packed: the addresses of all packed pages.
    mutating func adopt(_ shared: [CachePage?], beside packed: ArraySlice<UnsafeRawPointer>) {
        guard geometry.pageBytes > 0 else { return }
        for page in shared {
            let index = pages.count
            precondition(
                page != nil || !geometry.holds(index, ofPages: packed.endIndex), "a page is missing that queries read")
            // Sinks alone leave no page behind them.
            let kept = geometry.recentPages > 0 || index < geometry.sinkPages ? page : nil
            pages.append(kept)
            addresses.append(kept.map { UnsafeRawPointer($0.memory) } ?? packed[index])
            if kept != nil { held += 1 }
        }
        drop(beside: packed, pages: packed.endIndex, keepingSpares: false)
    }
}

internal import KvasirCodecs

/// What lies beside a full page and never changes again: the f16 copies of its tokens, and its tokens in layers with a
/// sliding window.
///
/// A sequence holds them for the tokens only that its next queries read, and gives them up as it goes on. Whoever wants to
/// continue after a page later keeps those that a sequence of that length holds.
public struct SidePages: @unchecked Sendable {  // what it refers to is only read
    var window: CachePage?
    var local: CachePage?

    /// Nothing.
    public init() {}

    init(window: CachePage?, local: CachePage?) {
        self.window = window
        self.local = local
    }

    /// Whether there is anything.
    public var isEmpty: Bool { window == nil && local == nil }

    /// Which parts there are.
    public var parts: Parts {
        var parts: Parts = []
        if window != nil { parts.insert(.window) }
        if local != nil { parts.insert(.local) }
        return parts
    }

    /// Parts of what lies beside a page.
    public struct Parts: OptionSet, Sendable, Hashable {
        /// The parts as bits.
        public let rawValue: UInt8
        /// Parts of bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// The f16 copies.
        public static let window = Parts(rawValue: 1)
        /// The tokens of layers with a sliding window.
        public static let local = Parts(rawValue: 2)
    }

    /// Bytes that nobody else holds.
    public mutating func unsharedBytes(_ plan: CachePlan) -> Int {
        (window != nil && isKnownUniquelyReferenced(&window) ? plan.windowPageBytes : 0)
            + (local != nil && isKnownUniquelyReferenced(&local) ? plan.localPageBytes : 0)
    }

    /// Takes over the parts that are missing.
    ///
    /// - Returns: whether there were any.
    public mutating func complete(from other: SidePages) -> Bool {
        let before = parts
        window = window ?? other.window
        local = local ?? other.local
        return parts != before
    }

    /// Some of the parts.
    public func only(_ parts: Parts) -> SidePages {
        SidePages(
            window: parts.contains(.window) ? window : nil, local: parts.contains(.local) ? local : nil)
    }
}

extension CachePlan {
    /// Whether anything lies beside packed pages: f16 copies, or tokens of layers with a sliding window.
    public var hasSidePages: Bool { windowPageBytes + localPageBytes > 0 }

    /// What a sequence of `pages` full pages holds beside page `index`.
    public func sides(ofPage index: Int, in pages: Int) -> SidePages.Parts {
        var parts: SidePages.Parts = []
        if window.holds(index, ofPages: pages) { parts.insert(.window) }
        if local.holds(index, ofPages: pages) { parts.insert(.local) }
        return parts
    }

    /// The pages beside which a sequence of `pages` full pages holds anything.
    public func pagesWithSides(in pages: Int) -> [Int] {
        let geometries = [window, local].filter { $0.pageBytes > 0 }
        let sinks = min(geometries.map(\.sinkPages).max() ?? 0, pages)
        let recent = geometries.map { pages - min($0.recentPages, pages) }.min() ?? pages
        return Array(0..<sinks) + Array(max(recent, sinks)..<pages)
    }

    /// Bytes that are taken when a sequence of `start` tokens gets more, up to `end`, in one step.
    ///
    /// What it then no longer needs comes back after the step.
    public func bytes(ofStepFrom start: Int, to end: Int) -> Int {
        let (first, last) = (PageGeometry.pages(forTokens: start), PageGeometry.pages(forTokens: end))
        func side(_ geometry: WindowGeometry) -> Int {
            let end = geometry.recentPages > 0 ? last : min(last, geometry.sinkPages)
            return geometry.pageBytes * max(end - first, 0)
        }
        return (last - first) * pageBytes + side(window) + side(local)
    }
}

extension CacheSequence {
    /// What the sequence holds beside a full page.
    public func sidePages(_ index: Int) -> SidePages {
        precondition(index < sealedPages, "only full pages are sealed")
        return heldSides(index)
    }

    /// Puts equal pages in the place of those beside a full one, so that both need not be held.
    public func share(_ sides: SidePages, besidePage index: Int) {
        precondition(index < sealedPages, "only full pages are shared")
        replaceSides(index, with: sides)
    }
}

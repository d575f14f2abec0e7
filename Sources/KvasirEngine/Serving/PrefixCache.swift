internal import KvasirCache
internal import KvasirCodecs

/// Full pages that are kept for requests with the same beginning: a tree whose edges are the tokens of a page.
///
/// A page is found by its tokens and by those of all pages before it, compared one by one, never by a hash alone. Where
/// sequences read more than packed pages (f16 copies of the last tokens, layers with a sliding window), what lies beside a
/// page is kept with it, and a prefix can be taken over up to a page before which everything is there that a sequence of
/// that length holds. What is least recently used is given up first: a page from the end of a prefix, or what lies beside
/// a page anywhere.
struct PrefixCache {
    private struct Key: Hashable {
        /// The page before; 0 at the beginning.
        let parent: Int
        let tokens: [Int32]
    }

    /// An object, so that its pages can be asked in place whether somebody else holds them.
    private final class Node {
        let key: Key
        var page: SealedPage
        var sides: SidePages
        var children = 0
        var lastUse: UInt64
        /// When what lies beside the page came, or was taken over.
        var lastUseOfSides: UInt64

        init(key: Key, page: SealedPage, sides: SidePages, lastUse: UInt64) {
            self.key = key
            self.page = page
            self.sides = sides
            self.lastUse = lastUse
            lastUseOfSides = lastUse
        }
    }

    private let plan: CachePlan
    private var ids: [Key: Int] = [:]
    private var nodes: [Int: Node] = [:]
    private var nextID = 1
    private var clock: UInt64 = 0

    init(_ plan: CachePlan) { self.plan = plan }

    /// Pages that are kept.
    var count: Int { nodes.count }

    private static func block(_ index: Int, of tokens: [Int32]) -> [Int32] {
        Array(tokens[index * PageGeometry.tokens..<(index + 1) * PageGeometry.tokens])
    }

    /// The pages that begin a sequence of tokens, as far as they are kept and below `limit`.
    private func path(_ tokens: [Int32], limit: Int) -> [Node] {
        var (parent, found): (Int, [Node]) = (0, [])
        for index in 0..<limit / PageGeometry.tokens {
            guard let id = ids[Key(parent: parent, tokens: Self.block(index, of: tokens))], let node = nodes[id] else {
                break
            }
            found.append(node)
            parent = id
        }
        return found
    }

    /// The most pages of a path after which a sequence that has the first `start` can go on.
    private func usable(_ path: [Node], from start: Int) -> Int {
        guard plan.hasSidePages else { return path.count }
        var pages = path.count
        while pages > start {
            let isComplete = plan.pagesWithSides(in: pages).allSatisfy {
                $0 < start || path[$0].sides.parts.isSuperset(of: plan.sides(ofPage: $0, in: pages))
            }
            if isComplete { break }
            pages -= 1
        }
        return pages
    }

    private mutating func touch(_ path: ArraySlice<Node>, pages: Int) {
        clock += 1
        for (index, node) in zip(path.indices, path) {
            node.lastUse = clock
            if !plan.sides(ofPage: index, in: pages).isEmpty { node.lastUseOfSides = clock }
        }
    }

    /// Tokens at the beginning of a sequence that can be taken over, at most `limit`.
    func length(_ tokens: [Int32], limit: Int) -> Int {
        usable(path(tokens, limit: limit), from: 0) * PageGeometry.tokens
    }

    /// Bytes of those pages that others hold, too, so that taking them over takes no room.
    func sharedBytes(_ tokens: [Int32], limit: Int) -> Int {
        let path = path(tokens, limit: limit)
        return path.prefix(usable(path, from: 0)).reduce(0) { $0 + ($1.page.isUnshared ? 0 : $1.page.bytes(plan)) }
    }

    /// The pages that hold a sequence from token `from` on, as far as they are kept and below `limit`.
    ///
    /// - Parameter from: a multiple of a page's tokens; the tokens before it must be kept too.
    mutating func pages(_ tokens: [Int32], from: Int, limit: Int) -> (pages: [SealedPage], sides: [SidePages]) {
        let (path, start) = (path(tokens, limit: limit), from / PageGeometry.tokens)
        let end = usable(path, from: start)
        touch(path.prefix(end), pages: end)
        let new = path.prefix(end).dropFirst(start)
        return (new.map(\.page), new.map(\.sides))
    }

    /// Keeps the full pages of a sequence; where one of the same tokens is kept already, the sequence takes that.
    ///
    /// Where bits follow attention the two may differ, and what is kept changes no more: the sequence must have ended.
    ///
    /// - Parameter from: the first page that was not inserted before.
    mutating func insert(_ sequence: CacheSequence, _ tokens: [Int32], from: Int) {
        guard from < sequence.sealedPages else { return }
        clock += 1
        var parent = 0
        for index in 0..<sequence.sealedPages {
            let sides = sequence.sidePages(index)
            parent = keep(index, of: tokens, after: parent, sides: sides) { node in
                guard let node else { return sequence.sealedPage(index) }
                if index >= from {
                    sequence.share(node.page, asPage: index)
                    if !sides.isEmpty { sequence.share(node.sides, besidePage: index) }
                }
                return node.page
            }
        }
    }

    /// Keeps one page, or finds it, and completes what lies beside it.
    private mutating func keep(
        _ index: Int, of tokens: [Int32], after parent: Int, sides: SidePages, page: (Node?) -> SealedPage
    ) -> Int {
        let key = Key(parent: parent, tokens: Self.block(index, of: tokens))
        if let id = ids[key], let node = nodes[id] {
            node.lastUse = clock
            if node.sides.complete(from: sides) { node.lastUseOfSides = clock }
            _ = page(node)
            return id
        }
        let id = nextID
        nextID += 1
        ids[key] = id
        nodes[id] = Node(key: key, page: page(nil), sides: sides, lastUse: clock)
        nodes[parent]?.children += 1
        return id
    }

    // MARK: Snapshots

    /// The longest beginning of a sequence of tokens that is kept and can be continued.
    mutating func snapshot(_ tokens: [Int32]) -> CacheSnapshot {
        let found = pages(tokens, from: 0, limit: tokens.count)
        return CacheSnapshot(plan: plan, pages: found.pages, sides: found.sides)
    }

    /// Keeps the pages of a snapshot that lies somewhere else, as far as they are not here yet.
    ///
    /// - Parameters:
    ///   - tokens: whole pages.
    ///   - bytes: the pages, as `layout` says.
    ///   - layout: of these tokens.
    ///   - pool: where pages come from.
    /// - Throws: `CacheError` if there is no room even without what can be given up; nothing has then been given up.
    mutating func restore(
        _ tokens: [Int32], _ bytes: UnsafeRawBufferPointer, _ layout: SnapshotLayout, pool: PagePool
    ) throws(CacheError) {
        let path = path(tokens, limit: tokens.count)
        touch(path[...], pages: layout.pages)
        // Held here, so that they are not given up to make room for the others.
        let (known, sides) = (path.map(\.page), path.map(\.sides))
        let needed = CacheSnapshot.bytes(toRestore: layout, plan, known: known.count, knownSides: sides)
        let room = pool.budget - pool.bytesInUse
        // Not enough even so: the pool says what is missing.
        if needed > room, needed <= room + evictableBytes() { evict(needed - room) }
        let snapshot = try CacheSnapshot(
            copying: bytes, layout: layout, pool: pool, known: known, knownSides: sides)
        clock += 1
        var parent = 0
        for index in 0..<snapshot.pages.count {
            parent = keep(index, of: tokens, after: parent, sides: snapshot.sides[index]) { node in
                node?.page ?? snapshot.pages[index]
            }
        }
    }

    // MARK: Memory

    /// Bytes that nobody but this cache holds.
    func evictableBytes() -> Int {
        nodes.values.reduce(0) { sum, node in
            sum + (node.page.isUnshared ? node.page.bytes(plan) : 0) + node.sides.unsharedBytes(plan)
        }
    }

    /// Gives up pages until `bytes` have come free, or nothing more can.
    mutating func evict(_ bytes: Int) {
        var freed = 0
        while freed < bytes {
            var oldest: (id: Int, use: UInt64, isWhole: Bool)?
            for (id, node) in nodes {
                // What lies beside a page goes before the page itself.
                if node.lastUseOfSides < oldest?.use ?? .max, node.sides.unsharedBytes(plan) > 0 {
                    oldest = (id, node.lastUseOfSides, false)
                }
                if node.children == 0, node.lastUse < oldest?.use ?? .max, node.page.isUnshared {
                    oldest = (id, node.lastUse, true)
                }
            }
            guard let oldest, let node = nodes[oldest.id] else { return }
            freed += node.sides.unsharedBytes(plan)
            node.sides = SidePages()
            guard oldest.isWhole else { continue }
            nodes[oldest.id] = nil
            ids[node.key] = nil
            nodes[node.key.parent]?.children -= 1
            freed += node.page.bytes(plan)
        }
    }
}

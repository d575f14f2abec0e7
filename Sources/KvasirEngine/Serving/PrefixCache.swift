internal import KvasirCache
internal import KvasirCodecs

/// Full pages that are kept for requests with the same beginning: a tree whose edges are the tokens of a page.
///
/// A page is found by its tokens and by those of all pages before it, compared one by one, never by a hash alone. What is
/// least recently used is given up first, from the end of a prefix.
struct PrefixCache {
    private struct Key: Hashable {
        /// The page before; 0 at the beginning.
        let parent: Int
        let tokens: [Int32]
    }

    /// An object, so that its page can be asked in place whether somebody else holds it.
    private final class Node {
        let key: Key
        var page: SealedPage
        var children = 0
        var lastUse: UInt64

        init(key: Key, page: SealedPage, lastUse: UInt64) {
            self.key = key
            self.page = page
            self.lastUse = lastUse
        }
    }

    private let pageBytes: Int
    private var ids: [Key: Int] = [:]
    private var nodes: [Int: Node] = [:]
    private var nextID = 1
    private var clock: UInt64 = 0

    init(pageBytes: Int) { self.pageBytes = pageBytes }

    /// Pages that are kept.
    var count: Int { nodes.count }

    private static func block(_ index: Int, of tokens: [Int32]) -> [Int32] {
        Array(tokens[index * PageGeometry.tokens..<(index + 1) * PageGeometry.tokens])
    }

    /// Calls `body` with the pages that begin a sequence of tokens, from page `first` on.
    private func walk(_ tokens: [Int32], limit: Int, _ body: (_ index: Int, _ id: Int) -> Void) {
        var parent = 0
        for index in 0..<limit / PageGeometry.tokens {
            guard let id = ids[Key(parent: parent, tokens: Self.block(index, of: tokens))] else { return }
            body(index, id)
            parent = id
        }
    }

    /// Tokens at the beginning of a sequence that are kept, at most `limit`.
    func length(_ tokens: [Int32], limit: Int) -> Int {
        var length = 0
        walk(tokens, limit: limit) { index, _ in length = (index + 1) * PageGeometry.tokens }
        return length
    }

    /// The pages that hold a sequence from token `from` on, as far as they are kept and below `limit`.
    ///
    /// - Parameter from: a multiple of a page's tokens; the tokens before it must be kept too.
    mutating func pages(_ tokens: [Int32], from: Int, limit: Int) -> [SealedPage] {
        clock += 1
        var found: [Int] = []
        walk(tokens, limit: limit) { _, id in found.append(id) }
        for id in found { nodes[id]?.lastUse = clock }
        return found.dropFirst(from / PageGeometry.tokens).compactMap { nodes[$0]?.page }
    }

    /// Keeps the full pages of a sequence; where an equal one is kept already, the sequence takes that.
    ///
    /// - Parameter from: the first page that was not inserted before.
    mutating func insert(_ sequence: CacheSequence, _ tokens: [Int32], from: Int) {
        guard from < sequence.sealedPages else { return }
        clock += 1
        var parent = 0
        for index in 0..<sequence.sealedPages {
            let key = Key(parent: parent, tokens: Self.block(index, of: tokens))
            if let id = ids[key], let node = nodes[id] {
                nodes[id]?.lastUse = clock
                if index >= from { sequence.share(node.page, asPage: index) }
                parent = id
                continue
            }
            let id = nextID
            nextID += 1
            ids[key] = id
            nodes[id] = Node(key: key, page: sequence.sealedPage(index), lastUse: clock)
            nodes[parent]?.children += 1
            parent = id
        }
    }

    /// Bytes that nobody but this cache holds.
    func evictableBytes() -> Int { nodes.values.count { $0.page.isUnshared } * pageBytes }

    /// Gives up pages until `bytes` have come free, or nothing more can.
    mutating func evict(_ bytes: Int) {
        var freed = 0
        while freed < bytes {
            var oldest: (id: Int, use: UInt64)?
            for (id, node) in nodes
            where node.children == 0 && node.lastUse < oldest?.use ?? .max && node.page.isUnshared {
                oldest = (id, node.lastUse)
            }
            guard let oldest, let node = nodes.removeValue(forKey: oldest.id) else { return }
            ids[node.key] = nil
            nodes[node.key.parent]?.children -= 1
            freed += pageBytes
        }
    }
}

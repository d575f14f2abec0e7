internal import KvasirCodecs

/// Which window pages a sequence holds: a function of its packed pages, so that the bytes follow from the length.
///
/// A window page has the f16 copies of the tokens of one packed page, all layers that have a window. Those of the sinks
/// stay. Those of the end are kept for one page of tokens longer than queries need them, so that a sequence can be cut
/// by that much.
///
/// Local pages, which have the packed tokens of layers with a sliding window, are held by the same rule; for them the
/// window is the longest one a layer attends to, and there are no sinks.
struct WindowGeometry: Sendable, Hashable {
    /// Size of a window page; 0 if no layer has a window.
    let pageBytes: Int
    /// Pages at the start that are kept.
    let sinkPages: Int
    /// Pages at the end that are kept.
    let recentPages: Int

    /// Tokens that can be cut from any sequence without losing what the next query reads.
    static let slack = PageGeometry.tokens

    static let none = WindowGeometry(pageBytes: 0, sinks: 0, longest: 0)

    /// - Parameters:
    ///   - sinks: the most first tokens of any part.
    ///   - longest: the most tokens before a query of any part.
    init(pageBytes: Int, sinks: Int, longest: Int) {
        self.pageBytes = pageBytes
        sinkPages = PageGeometry.pages(forTokens: sinks)
        // The last page has one token at least. A sequence cut by the slack then ends `slack` - 1 tokens before that page,
        // and the next query is at the first position that was cut off.
        recentPages = longest == 0 ? 0 : 1 + PageGeometry.pages(forTokens: Self.slack - 2 + longest)
    }

    /// Window pages that a sequence of `pages` packed pages holds between steps.
    func pages(ofPages pages: Int) -> Int { pageBytes == 0 ? 0 : min(pages, sinkPages + recentPages) }

    /// Window pages that it holds at most in steps that add up to `stepPages` pages.
    func pages(ofPages pages: Int, stepPages: Int) -> Int {
        guard pageBytes > 0 else { return 0 }
        return min(pages, sinkPages + (recentPages > 0 ? recentPages + stepPages : 0))
    }

    /// Bytes of the window pages that a sequence of `pages` packed pages holds between steps.
    func bytes(ofPages pages: Int) -> Int { self.pages(ofPages: pages) * pageBytes }

    /// Bytes of the window pages that it holds at most in steps that add up to `stepPages` pages.
    func bytes(ofPages pages: Int, stepPages: Int) -> Int {
        self.pages(ofPages: pages, stepPages: stepPages) * pageBytes
    }

    /// The first page of the end that a sequence of `pages` packed pages holds.
    func firstRecent(ofPages pages: Int) -> Int { max(pages - recentPages, 0) }

    /// Whether a sequence of `pages` packed pages holds the one beside page `index`.
    func holds(_ index: Int, ofPages pages: Int) -> Bool {
        pageBytes > 0 && index < pages
            && (index < sinkPages || recentPages > 0 && index >= firstRecent(ofPages: pages))
    }
}

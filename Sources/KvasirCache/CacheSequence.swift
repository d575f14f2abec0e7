internal import KvasirCodecs
public import KvasirNumerics

/// The cached tokens of one sequence.
///
/// A step reserves room, stores the new tokens' keys and values layer by layer, and advances at its end. Used by one
/// thread at a time, except where a parallel operation of this module reads it.
public final class CacheSequence {
    /// The plan that every page follows.
    public let plan: CachePlan
    /// Tokens that are cached in every layer.
    public private(set) var count = 0

    let pool: PagePool
    /// What is known beside the pages where bits follow attention; nil where they do not.
    let adaptive: AdaptiveState?
    private var pages: [CachePage] = []
    /// The address of every page, as the kernels take them.
    private var addresses: [UnsafeRawPointer] = []
    private var window: WindowPages
    private var local: WindowPages
    /// The most tokens of a step of the room that is reserved.
    private var longestStep = 0

    /// Creates a sequence without tokens, which takes no memory.
    public init(plan: CachePlan, pool: PagePool) {
        precondition(
            plan.pageBytes == pool.plan.pageBytes && plan.windowPageBytes == pool.plan.windowPageBytes
                && plan.localPageBytes == pool.plan.localPageBytes,
            "the pool was made for another plan")
        self.plan = plan
        self.pool = pool
        adaptive = plan.isAdaptive ? AdaptiveState(plan) : nil
        window = WindowPages(plan.window)
        local = WindowPages(plan.local)
    }

    /// Bytes of the pages the sequence holds.
    public var bytes: Int {
        pages.count * plan.fixedPageBytes + extentBytes + windowBytes + local.count * plan.localPageBytes
    }

    private var extentBytes: Int { plan.isAdaptive ? pages.reduce(0) { $0 + $1.extentBytes } : 0 }

    private var windowBytes: Int { window.count * plan.windowPageBytes }

    /// What those bytes are made of.
    public var footprint: CacheFootprint {
        var footprint = plan.footprint(forTokens: count)
        footprint.window = windowBytes
        if plan.isAdaptive { countPlanes(into: &footprint) }
        footprint.slack += bytes - footprint.total
        return footprint
    }

    /// Tokens there is room for, cached ones included.
    var capacity: Int { pages.count * PageGeometry.tokens }

    /// Makes room for `additional` tokens after the cached ones.
    ///
    /// - Parameters:
    ///   - additional: tokens.
    ///   - step: the most of them that are stored before the next `advance`: window pages are needed for those of one step
    ///     only.
    /// - Throws: `CacheError` if the pool does not allow it; the sequence is then as it was.
    public func reserve(_ additional: Int, inStepsOf step: Int = .max) throws(CacheError) {
        try catchUp()
        try ownLastPage()
        let target = max(PageGeometry.pages(forTokens: count + additional), pages.count)
        let next = placed(afterStep: min(additional, step))
        func missing(_ beside: inout WindowPages) -> Int {
            guard step < additional else { return max(beside.count(placing: next) - beside.count, 0) }
            let needed = beside.geometry.pages(ofPages: target, stepPages: PageGeometry.pages(forTokens: step))
            return max(needed - (beside.count - beside.sharedCount()), 0)
        }
        let missing = (packed: target - pages.count, window: missing(&window), local: missing(&local))
        if missing != (0, 0, 0) {
            let new = try pool.pages(packed: missing.packed, window: missing.window, local: missing.local)
            try extend(pages + new.packed, to: next)
            for page in new.packed {
                pages.append(page)
                addresses.append(UnsafeRawPointer(page.memory))
            }
            window.add(spares: new.window)
            local.add(spares: new.local)
            for layer in plan.layers { layer.keys.reserve(positions: capacity) }
        } else {
            try extend(pages, to: next)
        }
        longestStep = min(additional, step)
        window.place(beside: addresses[..<next])
        local.place(beside: addresses[..<next])
    }

    /// Gives the pages of the next step room for planes: not those after it, because by then others will have shrunk.
    private func extend(_ pages: [CachePage], to end: Int) throws(CacheError) {
        guard let adaptive else { return }
        try adaptive.reserveSpill(pages: end, plan)
        let next = pages[min(count / PageGeometry.tokens, end)..<end]
        if next.contains(where: \.extents.isEmpty) { try pool.addExtents(to: Array(next)) }
    }

    /// Makes the pages that are to be written this sequence's own: after a cut, another may hold them too.
    private func ownLastPage() throws(CacheError) {
        let last = count / PageGeometry.tokens
        guard count % PageGeometry.tokens != 0 else { return }
        if !isKnownUniquelyReferenced(&pages[last]) {
            let copy = try pool.pages(packed: 1, window: 0).packed[0]
            copy.memory.copyMemory(from: pages[last].memory, byteCount: plan.fixedPageBytes)
            replacePage(last, with: copy)
        }
        if window.isShared(last), let memory = window.memory(page: last) {
            let copy = try pool.pages(packed: 0, window: 1).window[0]
            copy.memory.copyMemory(from: memory, byteCount: plan.windowPageBytes)
            window.replace(last, with: copy)
        }
        if local.isShared(last), let memory = local.memory(page: last) {
            let copy = try pool.pages(packed: 0, window: 0, local: 1).local[0]
            copy.memory.copyMemory(from: memory, byteCount: plan.localPageBytes)
            local.replace(last, with: copy)
        }
    }

    /// Whether there are pages beside the packed ones, which depend on the length of steps.
    private var hasPagesBeside: Bool { plan.windowPageBytes + plan.localPageBytes > 0 }

    /// Pages up to the end of a step of `tokens` tokens.
    private func placed(afterStep tokens: Int) -> Int { PageGeometry.pages(forTokens: count + tokens) }

    /// Stores keys and values of the tokens after the cached ones in one layer: `CacheAttention.store` for one sequence.
    ///
    /// - Parameters:
    ///   - layer: index of the layer.
    ///   - keys: tokens x width, after rotary embedding; `reserve` has made room for them.
    ///   - values: tokens x width.
    ///   - threads: the pages are shared out among them.
    public func store(layer: Int, keys: FloatMatrix, values: FloatMatrix, threads: ThreadPool) {
        precondition(values.rows == keys.rows, "every token has a key and a value")
        var places: [StorePlace] = []
        addPlaces(ofTokens: keys.rows, firstRow: 0, to: &places)
        places.withUnsafeBufferPointer {
            StoreWork(layer: plan.layers[layer], keys: keys, values: values, places: $0).run(on: threads)
        }
    }

    /// Adds the pages that the `tokens` tokens after the cached ones lie in.
    func addPlaces(ofTokens tokens: Int, firstRow: Int, to places: inout [StorePlace]) {
        precondition(count + tokens <= capacity, "reserve has made no room for these tokens")
        precondition(!hasPagesBeside || tokens <= longestStep, "the step is longer than reserve was told")
        var position = count
        while position < count + tokens {
            let page = position / PageGeometry.tokens
            let end = min((page + 1) * PageGeometry.tokens, count + tokens)
            places.append(
                StorePlace(
                    sequence: self, page: page, positions: position..<end, firstRow: firstRow + position - count))
            position = end
        }
    }

    /// The memory that holds a layer's part of a page.
    func memory(page: Int, _ layer: CachePlan.Layer) -> UnsafeMutableRawPointer {
        guard layer.slidingWindow != nil else { return pages[page].memory }
        guard let memory = local.memory(page: page) else { preconditionFailure("these tokens are no longer held") }
        return memory
    }

    /// The memory of the f16 copies of a page; nil if they are not held.
    func windowMemory(page: Int) -> UnsafeMutableRawPointer? { window.memory(page: page) }

    /// Counts `tokens` tokens, stored in every layer, as cached.
    public func advance(_ tokens: Int) {
        precondition(count + tokens <= capacity, "these tokens were not stored")
        count += tokens
        guard hasPagesBeside else { return }
        let used = PageGeometry.pages(forTokens: count)
        let isMoreToCome = used < pages.count
        window.drop(beside: addresses[...], pages: used, keepingSpares: isMoreToCome)
        local.drop(beside: addresses[...], pages: used, keepingSpares: isMoreToCome)
        if isMoreToCome {
            longestStep = min(longestStep, capacity - count)
            window.place(beside: addresses[..<placed(afterStep: longestStep)])
            local.place(beside: addresses[..<placed(afterStep: longestStep)])
        } else {
            longestStep = capacity - count
            window.releaseSpares()
            local.releaseSpares()
        }
    }

    /// Forgets the tokens from `length` on, or further back where the f16 copies that the next query reads are gone, and
    /// gives back the pages that held nothing else.
    ///
    /// Without windows every length can be had; with them, the last 64 tokens at least can be cut off exactly. A caller
    /// computes the tokens from the returned length on once more: the results are then those of a fresh sequence.
    ///
    /// - Returns: the length, at most `length`.
    /// - Precondition: `length` is not above `count`.
    public func truncate(to length: Int) -> Int {
        precondition(length >= 0 && length <= count, "cannot cut \(count) tokens to \(length)")
        let length = adaptive == nil ? length : cutAdaptive(to: length)
        count = plan.windowPageBytes > 0 ? window.restorable(length, start: plan.windowStart(at: length)) : length
        if plan.localPageBytes > 0 { count = local.restorable(count, start: plan.localStart(at: count)) }
        releaseUnused()
        return count
    }

    /// Prepares where bits follow attention for a cut and returns the length from which that and the windows can go on.
    private func cutAdaptive(to length: Int) -> Int {
        var (length, longer) = (length, -1)
        while length != longer {
            longer = length
            if plan.windowPageBytes > 0 {
                length = window.restorable(length, start: plan.windowStart(at: length))
            }
            length = undecided(length)
        }
        if length < count { length == 0 ? adaptive?.restart() : adaptive?.resetFeedback() }
        return length
    }

    func page(_ index: Int) -> CachePage { pages[index] }

    /// Appends full pages, whose tokens count as cached, and what lies beside each.
    func append(_ full: [CachePage], window sideWindows: [CachePage?], local sideLocals: [CachePage?]) {
        precondition(count == capacity, "pages are appended to full ones")
        for page in full {
            pages.append(page)
            addresses.append(UnsafeRawPointer(page.memory))
        }
        window.adopt(sideWindows, beside: addresses[...])
        local.adopt(sideLocals, beside: addresses[...])
        count = capacity
        for layer in plan.layers { layer.keys.reserve(positions: capacity) }
    }

    func replacePage(_ index: Int, with page: CachePage) {
        pages[index] = page
        addresses[index] = UnsafeRawPointer(page.memory)
    }

    func heldSides(_ index: Int) -> SidePages { SidePages(window: window.page(index), local: local.page(index)) }

    func replaceSides(_ index: Int, with sides: SidePages) {
        if let page = sides.window { window.replace(index, with: page) }
        if let page = sides.local { local.replace(index, with: page) }
    }

    /// Gives back the pages that are reserved and hold no token.
    public func releaseUnused() {
        let needed = PageGeometry.pages(forTokens: count)
        pages.removeSubrange(needed...)
        addresses.removeSubrange(needed...)
        window.truncate(toPages: needed)
        window.releaseSpares()
        local.truncate(toPages: needed)
        local.releaseSpares()
        longestStep = capacity - count
    }

    /// Calls `body` with the address of every page; valid until the sequence changes.
    func withPages<Result>(_ body: (UnsafeBufferPointer<UnsafeRawPointer>) -> Result) -> Result {
        addresses.withUnsafeBufferPointer(body)
    }

    /// Calls `body` with the address of every page that holds a layer; of those before its sliding window, any.
    func withPages<Result>(
        of layer: CachePlan.Layer, _ body: (UnsafeBufferPointer<UnsafeRawPointer>) -> Result
    ) -> Result {
        layer.slidingWindow == nil
            ? addresses.withUnsafeBufferPointer(body) : local.addresses.withUnsafeBufferPointer(body)
    }

    /// The cached tokens that a layer still holds: all, or those of the last pages if it has a sliding window.
    public func heldTokens(layer: Int) -> Range<Int> {
        plan.layers[layer].slidingWindow == nil ? 0..<count : count - plan.localTokens(ofTokens: count)..<count
    }

    /// Calls `body` with the address of every window page, by the number of the packed page; only those are held that a
    /// query may read.
    func withWindowPages<Result>(_ body: (UnsafeBufferPointer<UnsafeRawPointer>) -> Result) -> Result {
        window.addresses.withUnsafeBufferPointer(body)
    }

    /// Reads cached tokens of one layer back as floats, as the next token will read them: tokens x width.
    ///
    /// For tests, statistics and calibration; attention never does this.
    ///
    /// - Precondition: the tokens are among `heldTokens(layer:)`.
    public func decode(layer: Int, tokens: Range<Int>, keys: inout [Float], values: inout [Float]) {
        let held = heldTokens(layer: layer)
        precondition(
            tokens.isEmpty || tokens.lowerBound >= held.lowerBound && tokens.upperBound <= count,
            "only tokens that are held can be decoded")
        let width = plan.shape.heads.width
        let plan = plan.layers[layer]
        keys = [Float](repeating: 0, count: tokens.count * width)
        values = keys
        keys.withUnsafeMutableBufferPointer { keys in
            values.withUnsafeMutableBufferPointer { values in
                guard let keys = keys.baseAddress, let values = values.baseAddress else { return }
                for (row, token) in tokens.enumerated() {
                    decode(
                        token, plan, plan.keys, at: plan.keyOffset, exact: plan.exactKeys?.untyped,
                        into: keys + row * width)
                    decode(
                        token, plan, plan.values, at: plan.valueOffset, exact: plan.exactValues?.untyped,
                        into: values + row * width)
                }
            }
        }
    }

    private func decode(
        _ token: Int, _ layer: CachePlan.Layer, _ codec: any PageCodec, at offset: Int,
        exact: CachePlan.ExactPart<any PageCodec>?,
        into vector: UnsafeMutablePointer<Float>
    ) {
        let page = token / PageGeometry.tokens
        if let exact, exact.tokens.contains(token, at: count), let copies = windowMemory(page: page) {
            exact.codec.decode(position: token, of: copies + exact.offset, into: vector)
        } else {
            codec.decode(position: token, of: memory(page: page, layer) + offset, into: vector)
        }
    }
}

extension CachePlan.ExactPart where Codec == any KeyCodec {
    fileprivate var untyped: CachePlan.ExactPart<any PageCodec> { .init(tokens: tokens, codec: codec, offset: offset) }
}

extension CachePlan.ExactPart where Codec == any ValueCodec {
    fileprivate var untyped: CachePlan.ExactPart<any PageCodec> { .init(tokens: tokens, codec: codec, offset: offset) }
}

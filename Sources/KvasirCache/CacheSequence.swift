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

    private let pool: PagePool
    private var pages: [CachePage] = []
    /// The address of every page, as the kernels take them.
    private var addresses: [UnsafeRawPointer] = []

    /// Creates a sequence without tokens, which takes no memory.
    public init(plan: CachePlan, pool: PagePool) {
        precondition(plan.pageBytes == pool.pageBytes, "the pool was made for another plan")
        self.plan = plan
        self.pool = pool
    }

    /// Bytes of the pages the sequence holds.
    public var bytes: Int { pages.count * plan.pageBytes }

    /// What those bytes are made of.
    public var footprint: CacheFootprint {
        var footprint = plan.footprint(forTokens: count)
        footprint.slack += bytes - footprint.total
        return footprint
    }

    /// Tokens there is room for, cached ones included.
    var capacity: Int { pages.count * PageGeometry.tokens }

    /// Makes room for `additional` tokens after the cached ones.
    ///
    /// - Throws: `CacheError` if the pool does not allow it; the sequence is then as it was.
    public func reserve(_ additional: Int) throws(CacheError) {
        let missing = PageGeometry.pages(forTokens: count + additional) - pages.count
        guard missing > 0 else { return }
        for page in try pool.pages(missing) {
            pages.append(page)
            addresses.append(UnsafeRawPointer(page.memory))
        }
    }

    /// Stores keys and values of the tokens after the cached ones in one layer.
    ///
    /// - Parameters:
    ///   - layer: index of the layer.
    ///   - tokens: how many; `reserve` has made room for them.
    ///   - keys: tokens x width, after rotary embedding.
    ///   - values: tokens x width.
    ///   - threads: the pages are shared out among them.
    public func store(
        layer: Int, tokens: Int, keys: UnsafePointer<Float>, values: UnsafePointer<Float>, threads: ThreadPool
    ) {
        precondition(count + tokens <= capacity, "reserve has made no room for these tokens")
        guard tokens > 0 else { return }
        let firstPage = count / PageGeometry.tokens
        let touched = PageGeometry.pages(forTokens: count + tokens) - firstPage
        let work = StoreWork(
            sequence: self, layer: plan.layers[layer], keys: keys, values: values, tokens: tokens, firstPage: firstPage)
        // One token is stored in less time than it takes to hand it out.
        if tokens == 1 {
            work.perform(item: 0, worker: 0)
            work.perform(item: 1, worker: 0)
        } else {
            threads.run(touched * 2, work)
        }
    }

    fileprivate func memory(page: Int) -> UnsafeMutableRawPointer { pages[page].memory }

    /// Counts `tokens` tokens, stored in every layer, as cached.
    public func advance(_ tokens: Int) {
        precondition(count + tokens <= capacity, "these tokens were not stored")
        count += tokens
    }

    /// Forgets the tokens from `length` on and gives back the pages that held nothing else.
    ///
    /// - Precondition: `length` is not above `count`.
    public func truncate(to length: Int) {
        precondition(length >= 0 && length <= count, "cannot cut \(count) tokens to \(length)")
        count = length
        let needed = PageGeometry.pages(forTokens: length)
        pages.removeSubrange(needed...)
        addresses.removeSubrange(needed...)
    }

    /// Calls `body` with the address of every page; valid until the sequence changes.
    func withPages<Result>(_ body: (UnsafeBufferPointer<UnsafeRawPointer>) -> Result) -> Result {
        addresses.withUnsafeBufferPointer(body)
    }

    /// Reads cached tokens of one layer back as floats: tokens x width.
    ///
    /// For tests, statistics and calibration; attention never does this.
    public func decode(layer: Int, tokens: Range<Int>, keys: inout [Float], values: inout [Float]) {
        precondition(tokens.lowerBound >= 0 && tokens.upperBound <= count, "only cached tokens can be decoded")
        let width = plan.shape.heads.width
        let plan = plan.layers[layer]
        keys = [Float](repeating: 0, count: tokens.count * width)
        values = keys
        keys.withUnsafeMutableBufferPointer { keys in
            values.withUnsafeMutableBufferPointer { values in
                guard let keys = keys.baseAddress, let values = values.baseAddress else { return }
                for (row, token) in tokens.enumerated() {
                    let (page, slot) = token.quotientAndRemainder(dividingBy: PageGeometry.tokens)
                    let memory = memory(page: page)
                    plan.keys.decode(slot: slot, of: memory + plan.keyOffset, into: keys + row * width)
                    plan.values.decode(slot: slot, of: memory + plan.valueOffset, into: values + row * width)
                }
            }
        }
    }
}

/// Stores the tokens of one page; even items are keys, odd ones values.
private struct StoreWork: ParallelWork {
    unowned(unsafe) let sequence: CacheSequence
    let layer: CachePlan.Layer
    let keys: UnsafePointer<Float>
    let values: UnsafePointer<Float>
    let tokens: Int
    let firstPage: Int

    func perform(item: Int, worker: Int) {
        let page = firstPage + item / 2
        let first = max(page * PageGeometry.tokens, sequence.count)
        let end = min((page + 1) * PageGeometry.tokens, sequence.count + tokens)
        let memory = sequence.memory(page: page)
        let width = sequence.plan.shape.heads.width
        for position in first..<end {
            let row = (position - sequence.count) * width
            let slot = position % PageGeometry.tokens
            if item % 2 == 0 {
                layer.keys.encode(keys + row, slot: slot, into: memory + layer.keyOffset)
            } else {
                layer.values.encode(values + row, slot: slot, into: memory + layer.valueOffset)
            }
        }
    }
}

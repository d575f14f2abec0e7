internal import KvasirCodecs
internal import KvasirNumerics

/// Decides about the bits of the tokens of one layer, and drops and fetches planes: an item is one part of one page.
struct PageRevision: ParallelWork {
    unowned(unsafe) let sequence: CacheSequence
    unowned(unsafe) let state: AdaptiveState
    let layer: Int
    /// The layer's.
    let places: Range<Int>
    /// Tokens, a multiple of a page.
    let context: Int

    func perform(item: Int, worker: Int) {
        let (page, index) = item.quotientAndRemainder(dividingBy: places.count)
        let place = places.lowerBound + index
        let part = sequence.plan.adaptivePlaces[place].part
        guard part.isDecided, !sequence.page(page).isSealed else { return }
        let count = part.units * PageGeometry.tokens
        let memory = sequence.adaptiveMemory(page: page, place: place)
        let feedback = part.followsAttention ? state.feedback[layer] : nil
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 2 * count) { buffer in
            guard let current = buffer.baseAddress else { return }
            let bits = current + count
            part.readBits(of: memory, into: current)
            let decision = part.decide(
                memory, context: context, page: page, weights: feedback?.weights(page: page),
                stride: feedback?.stride ?? 0, current: current, into: bits)
            guard decision.lowered + decision.raised > 0 else { return }
            state.note(decision, place: place)
            do throws(CacheError) {
                try sequence.setBits(bits, raises: decision.raised > 0, page: page, place: place, state)
            } catch {
                state.postpone(
                    .init(page: page, place: place, bits: Array(UnsafeBufferPointer(start: bits, count: count))))
            }
        }
    }
}

extension CacheSequence {
    /// Where a part of a page lies.
    func adaptiveMemory(page: Int, place: Int) -> UnsafeMutableRawPointer {
        self.page(page).memory + plan.adaptivePlaces[place].offset
    }

    /// Revises the bits of one layer once `context` tokens are stored, if those fill whole pages.
    ///
    /// What is decided depends on the tokens, their attention and their number only, so that it is the same however a
    /// prompt was cut.
    func revise(layer: Int, context: Int, threads: ThreadPool) {
        guard let state = adaptive, context % PageGeometry.tokens == 0, context > 0 else { return }
        let places = plan.adaptivePlaces(ofLayer: layer)
        guard !places.isEmpty else { return }
        let work = PageRevision(sequence: self, state: state, layer: layer, places: places, context: context)
        threads.run(context / PageGeometry.tokens * places.count, work)
        state.feedback[layer]?.reset()
    }

    /// Gives the tokens of a page's part other numbers of bits.
    ///
    /// - Throws: `CacheError` if some rise and the pool has no room; nothing has changed then.
    func setBits(
        _ bits: UnsafePointer<UInt8>, raises: Bool, page index: Int, place: Int, _ state: AdaptiveState
    ) throws(CacheError) {
        let part = plan.adaptivePlaces[place].part
        let memory = adaptiveMemory(page: index, place: place)
        let page = page(index)
        var extent = page.extents[place]
        defer { page.extents[place] = extent }
        if part.mode == .spill, !extent.isSpilled {
            // The first decision about a page: it has all planes still.
            state.spilled(page: index, place: place, plan).copyMemory(from: extent.planes, byteCount: part.extentBytes)
            extent.isSpilled = true
        }
        let bytes = part.extentBytes(bits: bits)
        guard raises else {
            part.drop(to: bits, of: memory)
            let freed = extent.bytes - bytes
            extent.shrink(to: bytes)
            part.move(to: extent.planes, memory)
            pool.giveBack(freed)
            return
        }
        try pool.take(bytes)
        guard let planes = Extent.allocate(bytes) else {
            pool.giveBack(bytes)
            throw CacheError(
                .outOfMemory, received: "bit-planes of \(bytes) bytes",
                detail: "the system has no memory left after \(pool.bytesInUse) bytes of cache; shorten the context")
        }
        if let copy = extent.copy {
            withUnsafeTemporaryAllocation(byteCount: part.extentBytes, alignment: 16) { all in
                guard let all = all.baseAddress else { return }
                part.planes(ofCopy: copy, part: memory, into: all)
                part.gather(bits, from: all, into: planes, part: memory)
            }
        } else {
            part.gather(bits, from: state.spilled(page: index, place: place, plan), into: planes, part: memory)
        }
        Extent.free(extent.planes)
        pool.giveBack(extent.bytes)
        (extent.planes, extent.bytes) = (planes, bytes)
    }

    /// Raises what could not be raised when it was decided.
    ///
    /// - Throws: `CacheError` if there is still no room.
    func catchUp() throws(CacheError) {
        guard let state = adaptive else { return }
        let postponed = state.takePostponed()
        for (index, revision) in postponed.enumerated() where !page(revision.page).isSealed {
            do throws(CacheError) {
                try setBits(revision.bits, raises: true, page: revision.page, place: revision.place, state)
            } catch {
                for rest in postponed[index...] { state.postpone(rest) }
                throw error
            }
        }
    }

    /// The longest length up to `length` from which decisions come out as those of a fresh sequence.
    ///
    /// A length before the last decision has bits that a fresh sequence would not have dropped yet, or would have dropped
    /// by other rows; and of the rows that were noted for the next one, none can be taken back.
    func undecided(_ length: Int) -> Int {
        guard let adaptive, length < count else { return length }
        let decided = count / PageGeometry.tokens * PageGeometry.tokens
        guard length >= decided else { return 0 }
        let noted = decided + PageGeometry.tokens - adaptive.window
        return adaptive.window > 0 && count > noted ? min(length, noted) : length
    }
}

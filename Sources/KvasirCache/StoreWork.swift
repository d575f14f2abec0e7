internal import KvasirCodecs
internal import KvasirNumerics

/// Stores the tokens of one page; even items are keys, odd ones values.
struct StoreWork: ParallelWork {
    unowned(unsafe) let sequence: CacheSequence
    let layer: CachePlan.Layer
    let keys: FloatMatrix
    let values: FloatMatrix
    let firstPage: Int

    func perform(item: Int, worker: Int) {
        let page = firstPage + item / 2
        if item % 2 == 0 {
            store(keys, layer.keys, at: layer.keyOffset, page: page)
            guard let exact = layer.exactKeys else { return }
            store(keys, exact.codec, at: exact.offset, page: page, besides: layer.keys, at: layer.keyOffset)
        } else {
            store(values, layer.values, at: layer.valueOffset, page: page)
            guard let exact = layer.exactValues else { return }
            store(values, exact.codec, at: exact.offset, page: page, besides: layer.values, at: layer.valueOffset)
        }
    }

    /// The positions of the new tokens in a page.
    private func positions(page: Int) -> Range<Int> {
        max(
            page * PageGeometry.tokens, sequence.count)..<min(
                (page + 1) * PageGeometry.tokens, sequence.count + keys.rows)
    }

    /// Stores new tokens in the packed page.
    private func store(_ rows: FloatMatrix, _ codec: any PageCodec, at offset: Int, page: Int) {
        guard codec.groupTokens == 1 else { return }
        let part = sequence.memory(page: page, layer) + offset
        for position in positions(page: page) {
            codec.encode(
                rows.row(position - sequence.count), position: position, into: part)
        }
    }

    /// Stores new tokens in the window page, and from there the groups that they complete in the packed page.
    private func store(
        _ rows: FloatMatrix, _ exact: any PageCodec, at offset: Int, page: Int, besides codec: any PageCodec,
        at packedOffset: Int
    ) {
        // Sinks alone leave most pages without copies.
        guard let copies = sequence.windowMemory(page: page) else { return }
        let positions = positions(page: page)
        for position in positions {
            exact.encode(
                rows.row(position - sequence.count), position: position, into: copies + offset)
        }
        let group = codec.groupTokens
        guard group > 1 else { return }
        let width = codec.shape.width
        let part = sequence.memory(page: page, layer) + packedOffset
        withUnsafeTemporaryAllocation(of: Float.self, capacity: group * width) { vectors in
            guard let vectors = vectors.baseAddress else { return }
            for position in positions where (position + 1) % group == 0 {
                let first = position + 1 - group
                for token in 0..<group {
                    exact.decode(position: first + token, of: copies + offset, into: vectors + token * width)
                }
                codec.encode(group: vectors, position: first, into: part)
            }
        }
    }
}

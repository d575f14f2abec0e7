internal import KvasirCodecs
internal import KvasirNumerics

/// New tokens of one sequence that lie in one page.
struct StorePlace {
    unowned(unsafe) let sequence: CacheSequence
    let page: Int
    /// Their positions in the sequence.
    let positions: Range<Int>
    /// Where the first of them is among the rows of the step.
    let firstRow: Int
}

/// Stores the new tokens of a step in one layer; of every place, the even item is its keys and the odd one its values.
struct StoreWork: ParallelWork {
    let layer: CachePlan.Layer
    let keys: FloatMatrix
    let values: FloatMatrix
    let places: UnsafeBufferPointer<StorePlace>

    func run(on threads: ThreadPool) {
        if places.count == 1, places[0].positions.count == 1 {
            // One token is stored in less time than it takes to hand it out.
            perform(item: 0, worker: 0)
            perform(item: 1, worker: 0)
        } else {
            threads.run(places.count * 2, self)
        }
    }

    func perform(item: Int, worker: Int) {
        let place = places[item / 2]
        if item % 2 == 0 {
            store(keys, layer.keys, at: layer.keyOffset, place)
            guard let exact = layer.exactKeys else { return }
            store(keys, exact.codec, at: exact.offset, place, besides: layer.keys, at: layer.keyOffset)
        } else {
            store(values, layer.values, at: layer.valueOffset, place)
            guard let exact = layer.exactValues else { return }
            store(values, exact.codec, at: exact.offset, place, besides: layer.values, at: layer.valueOffset)
        }
    }

    /// Stores new tokens in the packed page.
    private func store(_ rows: FloatMatrix, _ codec: any PageCodec, at offset: Int, _ place: StorePlace) {
        guard codec.groupTokens == 1 else { return }
        encode(rows, codec, place, into: place.sequence.memory(page: place.page, layer) + offset)
    }

    private func encode(
        _ rows: FloatMatrix, _ codec: any PageCodec, _ place: StorePlace, into part: UnsafeMutableRawPointer
    ) {
        for (row, position) in place.positions.enumerated() {
            codec.encode(rows.row(place.firstRow + row), position: position, into: part)
        }
    }

    /// Stores new tokens in the window page, and from there the groups that they complete in the packed page.
    private func store(
        _ rows: FloatMatrix, _ exact: any PageCodec, at offset: Int, _ place: StorePlace, besides codec: any PageCodec,
        at packedOffset: Int
    ) {
        // Sinks alone leave most pages without copies.
        guard let copies = place.sequence.windowMemory(page: place.page) else { return }
        encode(rows, exact, place, into: copies + offset)
        let group = codec.groupTokens
        guard group > 1 else { return }
        let width = codec.shape.width
        let part = place.sequence.memory(page: place.page, layer) + packedOffset
        withUnsafeTemporaryAllocation(of: Float.self, capacity: group * width) { vectors in
            guard let vectors = vectors.baseAddress else { return }
            for position in place.positions where (position + 1) % group == 0 {
                let first = position + 1 - group
                for token in 0..<group {
                    exact.decode(position: first + token, of: copies + offset, into: vectors + token * width)
                }
                codec.encode(group: vectors, position: first, into: part)
            }
        }
    }
}

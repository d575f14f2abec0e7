internal import KvasirCodecs

#if canImport(Darwin)
internal import Darwin
#else
internal import Glibc
#endif

extension CachePlan {
    /// A part of a page whose tokens have different numbers of bits.
    struct AdaptivePlace: Sendable {
        /// Index of the layer.
        let layer: Int
        /// Keys, or values.
        let isKeys: Bool
        /// Where the part starts in a page, in bytes.
        let offset: Int
        /// What decides about it.
        let part: AdaptivePart
    }

    /// Whether bits of some part follow attention.
    public var isAdaptive: Bool { !adaptivePlaces.isEmpty }

    /// Bytes of a page's extents and copies where every token has all bits.
    var extentBytes: Int { adaptivePlaces.reduce(0) { $0 + $1.part.extentBytes + $1.part.copyBytes } }

    /// The places of a layer: keys, then values, as far as they are adaptive.
    func adaptivePlaces(ofLayer layer: Int) -> Range<Int> {
        let first = adaptivePlaces.firstIndex { $0.layer == layer } ?? 0
        return first..<first + adaptivePlaces.count { $0.layer == layer }
    }
}

/// The bit-planes of one part of a page: memory of its own, which shrinks as bits are dropped.
struct Extent {
    /// The planes.
    var planes: UnsafeMutableRawPointer
    /// What they take.
    var bytes: Int
    /// The f16 copy that bits are raised from; nil without one.
    var copy: UnsafeMutableRawPointer?
    /// What the copy takes.
    var copyBytes = 0
    /// Whether all planes lie in the spill file.
    var isSpilled = false

    /// An allocation of some bytes, all zero; nil if the system has none left.
    static func allocate(_ bytes: Int) -> UnsafeMutableRawPointer? { calloc(max(bytes, 1), 1) }

    static func free(_ memory: UnsafeMutableRawPointer?) { cFree(memory) }

    /// Gives the end of the planes back to the system, which never fails: at worst they stay where and as long as they are.
    mutating func shrink(to bytes: Int) {
        planes = realloc(planes, max(bytes, 1)) ?? planes
        self.bytes = bytes
    }
}

private func cFree(_ memory: UnsafeMutableRawPointer?) { free(memory) }

extension PagePool {
    /// Gives pages that have none their extents, every token with all bits: all pages or none.
    ///
    /// - Throws: `CacheError` if the budget, or the system, does not allow for all of them.
    func addExtents(to pages: [CachePage]) throws(CacheError) {
        guard plan.isAdaptive else { return }
        let missing = pages.filter { $0.extents.isEmpty }
        guard !missing.isEmpty else { return }
        let bytes = missing.count * plan.extentBytes
        try take(bytes)
        var made: [[Extent]] = []
        for _ in missing {
            var extents: [Extent] = []
            for place in plan.adaptivePlaces {
                let copyBytes = place.part.copyBytes
                guard let planes = Extent.allocate(place.part.extentBytes) else { break }
                var copy: UnsafeMutableRawPointer?
                if copyBytes > 0 {
                    copy = Extent.allocate(copyBytes)
                    guard copy != nil else {
                        Extent.free(planes)
                        break
                    }
                }
                extents.append(
                    Extent(planes: planes, bytes: place.part.extentBytes, copy: copy, copyBytes: copyBytes))
            }
            made.append(extents)
            guard extents.count == plan.adaptivePlaces.count else {
                for extent in made.joined() {
                    Extent.free(extent.planes)
                    Extent.free(extent.copy)
                }
                giveBack(bytes)
                throw CacheError(
                    .outOfMemory, received: "bit-planes of \(bytes) bytes",
                    detail: "the system has no memory left after \(bytesInUse) bytes of cache; shorten the context")
            }
        }
        for (page, extents) in zip(missing, made) { page.attach(extents, plan) }
    }
}

extension CachePage {
    /// Takes extents over and makes the parts refer to them.
    fileprivate func attach(_ new: [Extent], _ plan: CachePlan) {
        let extents = UnsafeMutableBufferPointer<Extent>.allocate(capacity: new.count)
        _ = extents.initialize(from: new)
        self.extents = extents
        for (place, extent) in zip(plan.adaptivePlaces, new) {
            place.part.attach(extent.planes, copy: extent.copy, to: memory + place.offset)
        }
    }

    /// Bytes of the planes and copies.
    var extentBytes: Int { extents.reduce(0) { $0 + $1.bytes + $1.copyBytes } }

    /// Frees the copies and returns what they took.
    func releaseCopies(_ plan: CachePlan) -> Int {
        var bytes = 0
        for (index, place) in zip(extents.indices, plan.adaptivePlaces) where extents[index].copy != nil {
            place.part.attach(extents[index].planes, copy: nil, to: memory + place.offset)
            Extent.free(extents[index].copy)
            bytes += extents[index].copyBytes
            (extents[index].copy, extents[index].copyBytes) = (nil, 0)
        }
        return bytes
    }

    /// Frees the extents and returns what they took.
    func releaseExtents() -> Int {
        let bytes = extentBytes
        for extent in extents {
            Extent.free(extent.planes)
            Extent.free(extent.copy)
        }
        extents.deallocate()
        return bytes
    }
}

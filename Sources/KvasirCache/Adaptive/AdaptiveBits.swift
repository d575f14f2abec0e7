public import KvasirCodecs

/// How many bits the cached tokens have in one part of one layer, where they follow attention.
public struct AdaptiveBits: Sendable {
    /// Index of the layer.
    public let layer: Int
    /// Keys, or values.
    public let isKeys: Bool
    /// Units of tokens by their bits, 0 to 8.
    public internal(set) var histogram: [Int]
    /// Times that the bits of a unit of a token fell.
    public internal(set) var lowered: Int
    /// Times that they rose.
    public internal(set) var raised: Int
    /// What decides about them.
    public let part: AdaptivePart

    /// Units of tokens.
    public var count: Int { histogram.reduce(0, +) }

    /// The mean number of bits, without any overhead.
    public var meanBits: Double {
        let sum = histogram.enumerated().reduce(0) { $0 + $1.offset * $1.element }
        return count == 0 ? Double(part.mostBits) : Double(sum) / Double(count)
    }

    /// Bits for each value as they lie in memory, every overhead counted.
    public var bitsPerValue: Double { part.bitsPerValue(meanBits: meanBits) }
    /// Bits for each value as the paper counts them.
    public var paperBitsPerValue: Double { part.paperBitsPerValue(meanBits: meanBits) }
}

extension CacheSequence {
    /// How many bits the cached tokens have, by layer, keys before values; empty where all have the same.
    public var adaptiveBits: [AdaptiveBits] {
        guard let adaptive else { return [] }
        return plan.adaptivePlaces.enumerated().map { index, place in
            var histogram = [Int](repeating: 0, count: 9)
            let units = place.part.units
            var bits = [UInt8](repeating: 0, count: units * PageGeometry.tokens)
            for page in 0..<PageGeometry.pages(forTokens: count) {
                bits.withUnsafeMutableBufferPointer { bits in
                    guard let start = bits.baseAddress else { return }
                    place.part.readBits(of: adaptiveMemory(page: page, place: index), into: start)
                }
                let held = min(PageGeometry.tokens, count - page * PageGeometry.tokens)
                for unit in 0..<units {
                    for slot in 0..<held { histogram[Int(bits[unit * PageGeometry.tokens + slot])] += 1 }
                }
            }
            let changes = adaptive.changes(place: index)
            return AdaptiveBits(
                layer: place.layer, isKeys: place.isKeys, histogram: histogram, lowered: changes.lowered,
                raised: changes.raised, part: place.part)
        }
    }

    /// Bytes beside the pages that hold the attention since the last decision.
    public var feedbackBytes: Int { adaptive?.feedbackBytes ?? 0 }

    /// Bytes of the temporary file that dropped planes lie in.
    public var spilledBytes: Int { adaptive?.spill?.bytes ?? 0 }

    /// Counts planes and copies as they are, where the plan says what they are at most.
    func countPlanes(into footprint: inout CacheFootprint) {
        for (index, place) in plan.adaptivePlaces.enumerated() {
            var (planes, most) = (0, 0)
            for page in 0..<PageGeometry.pages(forTokens: count) {
                let held = min(PageGeometry.tokens, count - page * PageGeometry.tokens)
                planes += self.page(page).extents[index].bytes * held / PageGeometry.tokens
                footprint.window += self.page(page).extents[index].copyBytes * held / PageGeometry.tokens
            }
            most = place.part.extentBytes * count / PageGeometry.tokens
            let codes: WritableKeyPath<CacheFootprint, Int> = place.isKeys ? \.keyCodes : \.valueCodes
            footprint[keyPath: codes] += planes - most
        }
    }
}

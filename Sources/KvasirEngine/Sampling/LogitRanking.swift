/// Finds how far down the ranking of the logits one must go until a measure (a count, a probability) adds up.
///
/// Radix selection in place of sorting: a histogram over the leading bits of the logits says in which bucket the sum is
/// reached, two more over the following bits narrow the bucket to one value. Linear in the worst case, and without
/// memory that grows with the vocabulary. Logits rank from large to small, equal ones from the low id to the high; NaN
/// does not take part.
struct LogitRanking: Sendable {
    /// The last token that belongs to the selection.
    struct Boundary: Equatable {
        let logit: Float
        let id: Int
    }

    private static let bucketBits = 11
    private var histogram = [Double](repeating: 0, count: 1 << bucketBits)

    /// Returns a logit above which `target` is reached, so that `last` need not look at everything below.
    ///
    /// - Parameters:
    ///   - logits: One per token.
    ///   - maximum: The largest of them.
    ///   - step: The first distance below the maximum to try; then twice and four times as much.
    ///   - target: The sum to reach.
    ///   - measure: Maps a token id to a number, not negative.
    /// - Returns: Minus infinity if none of the distances suffices.
    @inline(__always)
    static func floor(
        _ logits: UnsafeBufferPointer<Float>, maximum: Float, step: Float, target: Double, measure: (Int) -> Double
    ) -> Float {
        for multiple: Float in [1, 2, 4] {
            let floor = maximum - step * multiple
            var sum = 0.0
            scan(logits, from: floor) { id in
                sum += measure(id)
                return sum < target
            }
            if sum >= target { return floor }
        }
        return -.infinity
    }

    /// Returns the token at which the measure, added up along the ranking, reaches `target`.
    ///
    /// - Parameters:
    ///   - logits: One per token.
    ///   - floor: A logit at or above which `target` is reached, or minus infinity.
    ///   - target: The sum to reach; 0 is reached by the first token that takes part.
    ///   - measure: Maps a token id to a number, not negative; tokens of measure 0 do not take part.
    /// - Returns: `nil` if the whole sum is below the target.
    /// - Complexity: O(n), no allocation.
    @inline(__always)
    mutating func last(
        in logits: UnsafeBufferPointer<Float>, from floor: Float, target: Double, measure: (Int) -> Double
    ) -> Boundary? {
        var remaining = target
        var prefix: UInt32 = 0
        var lowest = floor
        // 11, 11 and 10 bits: all 32 bits of the key.
        for (shift, bits) in [(21, 11), (10, 11), (0, 10)] as [(UInt32, UInt32)] {
            let parent = shift + bits
            histogram.withUnsafeMutableBufferPointer { histogram in
                histogram.update(repeating: 0)
                Self.scan(logits, from: lowest) { id in
                    let key = Self.key(logits[id])
                    if key >> parent == prefix { histogram[Int((key >> shift) & ((1 << bits) - 1))] += measure(id) }
                    return true
                }
            }
            guard let found = bucket(reaching: &remaining, isOutermost: parent == 32) else { return nil }
            prefix = prefix << bits | UInt32(found)
            lowest = max(lowest, Self.logit(max(prefix << shift, Self.key(-.infinity))))
        }
        let logit = Self.logit(prefix)
        var last: Int?
        Self.scan(logits, from: logit) { id in
            guard logits[id] == logit, measure(id) > 0 else { return true }
            last = id
            remaining -= measure(id)
            return remaining > 0
        }
        return last.map { Boundary(logit: logit, id: $0) }
    }

    /// Returns the bucket, from the top, in which the sum reaches `remaining`, less what lies above it.
    private func bucket(reaching remaining: inout Double, isOutermost: Bool) -> Int? {
        var lowestFilled: Int?
        var above = 0.0
        for bucket in histogram.indices.reversed() where histogram[bucket] > 0 {
            if above + histogram[bucket] >= remaining {
                remaining -= above
                return bucket
            }
            lowestFilled = bucket
            above += histogram[bucket]
        }
        // Inside a bucket the same numbers are added in another order; if rounding leaves the sum a hair short, the
        // lowest token of the bucket is the one.
        return isOutermost ? nil : lowestFilled
    }

    /// Calls `body` with the ids of all logits of at least `floor`, in order, until it returns false.
    @inline(__always)
    private static func scan(_ logits: UnsafeBufferPointer<Float>, from floor: Float, _ body: (Int) -> Bool) {
        typealias Lanes = SIMD16<Float>
        let bytes = UnsafeRawBufferPointer(logits)
        var start = 0
        while start < logits.count {
            let end = min(start &+ Lanes.scalarCount, logits.count)
            let isWhole = end &- start == Lanes.scalarCount
            if isWhole {
                // Most blocks of a language model's logits hold nothing near the maximum.
                let lanes = bytes.loadUnaligned(fromByteOffset: start &* MemoryLayout<Float>.stride, as: Lanes.self)
                guard any(lanes .>= floor) else {
                    start = end
                    continue
                }
            }
            for id in start..<end where logits[id] >= floor {
                if !body(id) { return }
            }
            start = end
        }
    }

    /// Maps a logit to an integer of the same order; both zeros to one key.
    @inline(__always)
    static func key(_ logit: Float) -> UInt32 {
        let bits = (logit + 0).bitPattern
        return bits >> 31 == 0 ? bits | 0x8000_0000 : ~bits
    }

    /// The inverse of `key`.
    @inline(__always)
    static func logit(_ key: UInt32) -> Float {
        Float(bitPattern: key >> 31 == 1 ? key & 0x7FFF_FFFF : ~key)
    }
}

extension LogitRanking.Boundary {
    /// Gives weight 0 to every token that ranks below the boundary.
    func dropLower(weights: UnsafeMutableBufferPointer<Float>, logits: UnsafeBufferPointer<Float>) {
        for index in 0...id { weights[index] = logits[index] >= logit ? weights[index] : 0 }
        for index in (id + 1)..<weights.count { weights[index] = logits[index] > logit ? weights[index] : 0 }
    }
}

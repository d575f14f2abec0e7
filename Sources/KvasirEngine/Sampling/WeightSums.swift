/// Sums over the weights of a whole vocabulary, and the draw of a token in proportion to them.
///
/// Blocks are summed apart, so that a draw skips whole blocks and the total does not depend on where it stops.
enum WeightSums {
    private static let blockLength = 512

    /// The sum of all weights, in double precision.
    static func total(_ weights: UnsafeBufferPointer<Float>) -> Double {
        var total = 0.0
        forEachBlock(weights) { _, sum in
            total += sum
            return true
        }
        return total
    }

    /// Returns the token into whose share of the total `unit` (in `0 ..< 1`) falls, shares laid out in order of id.
    ///
    /// - Precondition: at least one weight is positive.
    static func draw(_ unit: Double, from weights: UnsafeBufferPointer<Float>) -> Int {
        var remaining = unit * total(weights)
        var chosen: Int?
        forEachBlock(weights) { range, sum in
            guard remaining < sum else {
                remaining -= sum
                return true
            }
            for id in range where weights[id] > 0 {
                // Kept in case that rounding carries the walk past the end of the block.
                chosen = id
                remaining -= Double(weights[id])
                if remaining < 0 { break }
            }
            return false
        }
        // Rounding may also carry it past the last block.
        guard let id = chosen ?? weights.lastIndex(where: { $0 > 0 }) else {
            preconditionFailure("a draw needs a token of positive weight")
        }
        return id
    }

    @inline(__always)
    private static func forEachBlock(_ weights: UnsafeBufferPointer<Float>, _ body: (Range<Int>, Double) -> Bool) {
        var start = 0
        while start < weights.count {
            let end = min(start + blockLength, weights.count)
            if !body(start..<end, sum(weights, start..<end)) { return }
            start = end
        }
    }

    private static func sum(_ weights: UnsafeBufferPointer<Float>, _ range: Range<Int>) -> Double {
        // Four independent chains hide the latency of the addition.
        var (a, b, c, d) = (0.0, 0.0, 0.0, 0.0)
        var id = range.lowerBound
        while id &+ 4 <= range.upperBound {
            a += Double(weights[id])
            b += Double(weights[id &+ 1])
            c += Double(weights[id &+ 2])
            d += Double(weights[id &+ 3])
            id &+= 4
        }
        while id < range.upperBound {
            a += Double(weights[id])
            id &+= 1
        }
        return (a + b) + (c + d)
    }
}

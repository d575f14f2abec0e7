/// exp((x - maximum) / divisor) over a whole row, by the same additions and multiplications on every machine.
///
/// The C library's `exp` differs between systems in the last bit and takes several nanoseconds a value. This one uses no
/// fused operations and no library call, so its results are bit-equal everywhere, and SIMD types make it 8 wide.
/// Relative error below 2e-7. The polynomial is the one of Cephes' `expf`.
enum ExponentialWeights {
    typealias Lanes = SIMD8<Float>

    /// Below this the result would be subnormal; it becomes 0.
    static let smallestExponent: Float = -87

    /// Writes the exponentials; NaN, minus infinity and everything below e^-87 become 0.
    ///
    /// - Precondition: `maximum` is finite and no number in `logits` exceeds it; `divisor` > 0; equal counts.
    static func write(
        of logits: UnsafeBufferPointer<Float>, minus maximum: Float, over divisor: Float,
        to weights: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(logits.count == weights.count)
        let width = Lanes.scalarCount
        let whole = logits.count - logits.count % width
        let source = UnsafeRawBufferPointer(logits)
        let destination = UnsafeMutableRawBufferPointer(weights)
        var id = 0
        while id < whole {
            let offset = id &* MemoryLayout<Float>.stride
            let lanes = source.loadUnaligned(fromByteOffset: offset, as: Lanes.self)
            destination.storeBytes(of: exponential((lanes - maximum) / divisor), toByteOffset: offset, as: Lanes.self)
            id &+= width
        }
        while id < logits.count {
            weights[id] = exponential(Lanes(repeating: (logits[id] - maximum) / divisor))[0]
            id &+= 1
        }
    }

    /// e^x per lane for x <= 0.
    @inline(__always)
    static func exponential(_ argument: Lanes) -> Lanes {
        // False for NaN too.
        let isNormal = argument .>= smallestExponent
        let x = Lanes(repeating: 0).replacing(with: argument, where: isNormal)
        // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits of the sum.
        let rounder: Float = 12_582_912
        let rounded = x * 1.442_695_04 + rounder
        let n = rounded - rounder
        // ln 2 in two parts, the first with few bits, so that the reduction loses nothing.
        let f = (x - n * 0.693_359_375) + n * 2.121_944_4e-4
        var p = f * 1.987_569_15e-4 + 1.398_199_95e-3
        p = p * f + 8.333_451_9e-3
        p = p * f + 4.166_579_6e-2
        p = p * f + 1.666_666_5e-1
        p = p * f + 0.5
        p = (p * f) * f + f + 1
        let integer = unsafeBitCast(rounded, to: SIMD8<UInt32>.self) &- rounder.bitPattern
        let scale = unsafeBitCast((integer &+ 127) &<< 23, to: Lanes.self)
        return Lanes(repeating: 0).replacing(with: p * scale, where: isNormal)
    }
}

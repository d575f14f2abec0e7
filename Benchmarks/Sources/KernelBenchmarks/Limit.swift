internal import KvasirNumerics

/// A resource of the machine, and the time that a kernel's work takes of it at least.
struct Limit {
    /// The resource and its measured rate.
    let name: String
    let seconds: Double

    /// Reading `bytes` bytes, a part of `size` bytes that are read in turn.
    static func reading(_ bytes: Int, ofSize size: Int, on machine: MachineLimits) -> Limit {
        let rate = machine.readBandwidth(size: size)
        return Limit(name: "read \((rate / 1e9).rounded(toPlaces: 1)) GB/s", seconds: Double(bytes) / rate)
    }

    /// Writing `bytes` bytes, a part of `size` bytes that are written in turn.
    static func writing(_ bytes: Int, ofSize size: Int, on machine: MachineLimits) -> Limit {
        let rate = machine.writeBandwidth(size: size)
        return Limit(name: "write \((rate / 1e9).rounded(toPlaces: 1)) GB/s", seconds: Double(bytes) / rate)
    }

    /// Multiply-adds of operands of which one is stored in `bits` bits.
    ///
    /// Up to 8 bits fit the operands of an integer dot product, more do not. The limit of a kernel is the one of the
    /// arithmetic its data permits, whether the kernel uses it or not.
    static func arithmetic(
        _ multiplyAdds: Int, bits: Double, _ instructionSet: InstructionSet, on machine: MachineLimits
    ) -> Limit {
        if bits <= 8 {
            let rate = machine.dotProducts(instructionSet)
            return Limit(name: "int8 \(Int(2 * rate / 1e9)) GOP/s", seconds: Double(multiplyAdds) / rate)
        }
        let rate = machine.multiplyAdds(instructionSet)
        return Limit(name: "f32 \(Int(2 * rate / 1e9)) GFLOP/s", seconds: Double(multiplyAdds) / rate)
    }

    /// Measures a limit for a kernel that took `timing`.
    ///
    /// A kernel that is faster than its limit proves that the limit was measured while something interfered.
    static func settled(for timing: Timing, _ measure: () -> Limit) -> Limit {
        var limit = measure()
        for _ in 0..<10 where limit.seconds > timing.fastest { limit = measure() }
        return limit
    }

    /// The limit that is reached first.
    static func tightest(_ first: Limit, _ second: Limit) -> Limit {
        first.seconds >= second.seconds ? first : second
    }
}

extension Double {
    /// The number in decimal, with so many digits after the point.
    package func rounded(toPlaces places: Int) -> String {
        precondition(places > 0)
        var unit = 1.0
        for _ in 0..<places { unit *= 10 }
        let scaled = (self * unit).rounded()
        guard scaled.magnitude < 1e15 else { return "\(self)" }
        let digits = String(Int(scaled.magnitude))
        let padded = String(repeating: "0", count: max(places + 1 - digits.count, 0)) + digits
        return (scaled < 0 ? "-" : "") + padded.dropLast(places) + "." + padded.suffix(places)
    }
}

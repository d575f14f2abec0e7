internal import Synchronization

/// Counts how many bits of each cached value attention reads, for a codec that reads fewer than it stores.
///
/// Threads of one step count side by side; sums do not depend on their order.
public final class ReadMeter: Sendable {
    /// The widths that are counted, in bits, in ascending order.
    public let widths: [Int]

    private let values: [Counter]
    private let estimatedBits = Counter()

    private final class Counter: Sendable {
        let count = Atomic<Int>(0)
    }

    /// Creates a meter that has counted nothing.
    public init(widths: [Int]) {
        self.widths = widths
        values = widths.map { _ in Counter() }
    }

    /// Counts `values` values read at the width of that place in `widths`.
    func add(values count: Int, atWidth index: Int) {
        if count > 0 { values[index].count.wrappingAdd(count, ordering: .relaxed) }
    }

    /// Calls `body` with counters by width, for C kernels, and counts what it has added there.
    func counting(_ body: (UnsafeMutablePointer<UInt64>) -> Void) {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: widths.count) { read in
            guard let counts = read.baseAddress else { return }
            counts.initialize(repeating: 0, count: read.count)
            body(counts)
            for index in 0..<read.count { add(values: Int(counts[index]), atWidth: index) }
        }
    }

    /// Counts bits that were read to find out how many to read.
    func add(estimatedBits bits: Int) {
        if bits > 0 { estimatedBits.count.wrappingAdd(bits, ordering: .relaxed) }
    }

    /// What has been counted so far.
    public var reading: CacheReading {
        CacheReading(
            values: Dictionary(uniqueKeysWithValues: zip(widths, values.map { $0.count.load(ordering: .relaxed) })),
            estimatedBits: estimatedBits.count.load(ordering: .relaxed))
    }
}

/// Cached values that attention has read, by how many bits of each; a value counts once for every query token.
public struct CacheReading: Sendable, Hashable {
    /// Values by the bits that were read of them.
    public var values: [Int: Int]
    /// Bits that were read besides, to find out how many to read.
    public var estimatedBits: Int

    /// Describes what was read.
    public init(values: [Int: Int] = [:], estimatedBits: Int = 0) {
        self.values = values
        self.estimatedBits = estimatedBits
    }

    /// Bits read of each value on average, those of the estimate included; nil if nothing was read.
    public var bitsPerValue: Double? {
        let count = values.values.reduce(0, +)
        guard count > 0 else { return nil }
        let bits = values.reduce(estimatedBits) { $0 + $1.key * $1.value }
        return Double(bits) / Double(count)
    }

    /// What was read since `earlier`.
    public func since(_ earlier: CacheReading) -> CacheReading {
        CacheReading(
            values: values.merging(earlier.values, uniquingKeysWith: -),
            estimatedBits: estimatedBits - earlier.estimatedBits)
    }
}

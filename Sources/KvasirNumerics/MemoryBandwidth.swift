/// How fast this machine reads memory: the limit of everything that touches each byte once.
public enum MemoryBandwidth {
    /// Far more than any last-level cache a processor core has to itself.
    private static let bufferBytes = 256 << 20
    private static let passes = 6

    /// Reads a large buffer several times with all threads and returns the best pass, in bytes per second.
    ///
    /// Takes some tenths of a second and 256 MiB, which are given back.
    public static func measure(threads: ThreadPool) -> Double {
        measure(threads: threads, bytes: bufferBytes, passes: passes)
    }

    static func measure(threads: ThreadPool, bytes: Int, passes: Int) -> Double {
        // Written, not merely reserved: pages that were never written all lie in one page of zeros.
        let buffer = AlignedBuffer<ReadWork.Lane>(zeroed: bytes / MemoryLayout<ReadWork.Lane>.stride)
        let items = (buffer.count + ReadWork.lanes - 1) / ReadWork.lanes
        let sums = AlignedBuffer<ReadWork.Lane>(zeroed: items)
        let work = ReadWork(source: UnsafePointer(buffer.pointer), count: buffer.count, sums: sums.pointer)
        let clock = ContinuousClock()
        var best = Duration.seconds(Int64.max)
        for _ in 0..<passes {
            best = min(best, clock.measure { threads.run(items, work) })
        }
        return Double(buffer.byteCount) / (best / .seconds(1))
    }
}

/// Adds up a stretch of memory.
private struct ReadWork: ParallelWork {
    /// What one step of the loop reads from each of its streams.
    typealias Lane = SIMD8<UInt64>

    /// Lanes of an item: 256 KiB.
    static let lanes = 4096

    let source: UnsafePointer<Lane>
    let count: Int
    let sums: UnsafeMutablePointer<Lane>

    func perform(item: Int, worker: Int) {
        let start = item * Self.lanes
        let end = min(start + Self.lanes, count)
        var sum = Lane.zero
        for index in start..<end { sum ^= source[index] }
        // Kept, so that the reads are not left out.
        sums[item] = sum
    }
}

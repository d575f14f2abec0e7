internal import CMachineLimits
package import KvasirNumerics

/// What this machine does at most with the threads at hand.
///
/// Every question is a new measurement, and the fastest sample so far is the answer: a limit is what cannot be exceeded,
/// and another process that held a processor during one measurement would lower it, and raise every share taken of it.
package final class MachineLimits {
    private let threads: ThreadPool
    private let sampler: Sampler
    private var reading: [Int: Double] = [:]
    private var writing: [Int: Double] = [:]
    private var multiplying: [InstructionSet: Double] = [:]
    private var dotting: [InstructionSet: Double] = [:]

    package init(threads: ThreadPool, sampler: Sampler) {
        self.threads = threads
        self.sampler = sampler
    }

    /// Bytes a second read from a buffer of `size` bytes that is passed over again and again, by all threads together.
    ///
    /// The size, not a named cache, is what decides: the figure is the one that holds for data of that size.
    package func readBandwidth(size: Int) -> Double {
        improved(&reading, size) { bandwidth(size: size, isWriting: false) }
    }

    /// Bytes a second written to a buffer of `size` bytes that is passed over again and again, by all threads together.
    package func writeBandwidth(size: Int) -> Double {
        improved(&writing, size) { bandwidth(size: size, isWriting: true) }
    }

    /// Multiply-adds a second in float32, by all threads together.
    package func multiplyAdds(_ instructionSet: InstructionSet) -> Double {
        improved(&multiplying, instructionSet) { rate(loops(instructionSet).pointee.multiply_add) }
    }

    /// Multiply-adds a second of 8-bit integers into 32 bits, by all threads together.
    package func dotProducts(_ instructionSet: InstructionSet) -> Double {
        improved(&dotting, instructionSet) { rate(loops(instructionSet).pointee.dot_product) }
    }

    private func improved<Key: Hashable>(_ known: inout [Key: Double], _ key: Key, _ measure: () -> Double) -> Double {
        let value = max(known[key] ?? 0, measure())
        known[key] = value
        return value
    }

    private func loops(_ instructionSet: InstructionSet) -> UnsafePointer<kv_limit_loops> {
        kv_limit_loops_for(kv_isa(rawValue: instructionSet.code))
    }

    private func rate(_ loop: @escaping @convention(c) (Int) -> UInt64) -> Double {
        // Several items for each thread, so that one that loses its processor does not hold the others up for all of it.
        let items = 4 * threads.threadCount
        let counts = AlignedBuffer<UInt64>(zeroed: items)
        let work = ArithmeticWork(loop: loop, counts: counts.pointer)
        let timing = sampler.time { _ in threads.run(items, work) }
        return Double(counts.elements.reduce(0, +)) / timing.fastest
    }

    private func bandwidth(size: Int, isWriting: Bool) -> Double {
        let slices = size >= 1 << 20 ? 8 * threads.threadCount : threads.threadCount
        let sliceBytes = max(size / slices / MemoryWork.step, 1) * MemoryWork.step
        let buffer = AlignedBuffer<UInt8>(zeroed: slices * sliceBytes)
        // A small buffer is passed over several times in one item, or handing out items would be what is measured.
        let passes = max((1 << 22) / buffer.byteCount, 1)
        // The memory does not care which instructions load it; the widest ask for most at a time.
        let work = MemoryWork(
            loops: loops(.best), memory: UnsafeMutableRawPointer(buffer.pointer), sliceBytes: sliceBytes,
            passes: passes, isWriting: isWriting)
        let timing = sampler.time { _ in threads.run(slices, work) }
        return Double(passes * buffer.byteCount) / timing.fastest
    }
}

private struct ArithmeticWork: ParallelWork {
    let loop: @convention(c) (Int) -> UInt64
    let counts: UnsafeMutablePointer<UInt64>

    func perform(item: Int, worker: Int) { counts[item] = loop(10_000) }
}

private struct MemoryWork: ParallelWork {
    /// Bytes the loops take in one round.
    static let step = 256

    let loops: UnsafePointer<kv_limit_loops>
    let memory: UnsafeMutableRawPointer
    let sliceBytes: Int
    let passes: Int
    let isWriting: Bool

    func perform(item: Int, worker: Int) {
        let slice = memory + item * sliceBytes
        for _ in 0..<passes {
            if isWriting {
                loops.pointee.write(slice, sliceBytes)
            } else {
                loops.pointee.read(slice, sliceBytes)
            }
        }
    }
}

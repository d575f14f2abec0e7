import Testing

@testable import KvasirNumerics

@Suite struct MemoryBandwidthTests {
    /// One size is no multiple of what a thread takes at a time, one is smaller.
    @Test(arguments: [1 << 20, 64 * 5_000, 4_096])
    func isTheBytesOfABufferInTheTimeOfItsBestPass(bytes: Int) throws {
        let threads = try ThreadPool()
        let measured = MemoryBandwidth.measure(threads: threads, bytes: bytes, passes: 3)
        #expect(measured > 1e6 && measured < 1e13)
    }
}

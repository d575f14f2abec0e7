import KvasirEvaluation
import KvasirNumerics
import Testing

@Suite(.serialized) struct PeakMemoryTests {
    /// Other tests run in this process: what they hold comes and goes, so the bounds are wide.
    @Test func coversWhatWasHeldForAWhile() throws {
        let size = 192 << 20
        let (held, peak) = PeakMemory.during {
            let buffer = AlignedBuffer<UInt8>(zeroed: size)
            return buffer.byteCount
        }
        #expect(held == size)
        #expect(try #require(peak).bytes > size)
    }

    #if os(Linux)
    @Test func startsAnew() throws {
        let size = 256 << 20
        let (_, first) = PeakMemory.during { AlignedBuffer<UInt8>(zeroed: size).count }
        let (_, second) = PeakMemory.during {}
        let (large, small) = (try #require(first), try #require(second))
        // Where the system refuses to start anew, both tell about the whole process and say so.
        #expect(large.isOfMeasurementAlone == small.isOfMeasurementAlone)
        if small.isOfMeasurementAlone {
            #expect(small.bytes < large.bytes - size / 2)
        } else {
            #expect(small.bytes >= large.bytes)
        }
    }
    #endif
}

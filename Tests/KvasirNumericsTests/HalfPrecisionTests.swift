import KvasirNumerics
import Testing

@Suite struct HalfPrecisionTests {
    @Test(arguments: [(Float(1.2345), 1.125, 1.2421875), (-0.1, -0.1015625, -0.10009765625), (65504, 61440, 65280)])
    func lostBitsAreTakenAsHalfOfTheirRange(value: Float, eight: Float, twelve: Float) {
        #expect(HalfPrecision.truncated(value, toBits: 8) == eight)
        #expect(HalfPrecision.truncated(value, toBits: 12) == twelve)
        #expect(HalfPrecision.truncated(value, toBits: 16) == HalfPrecision.value(HalfPrecision.bits(value)))
    }
}

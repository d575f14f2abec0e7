import CKvasir
import KvasirNumerics
import Testing

@Suite("Rows of 16-bit floats")
struct HalfConversionTests {
    /// Every half, the points midway between neighbours, and the float32 values on both sides of each.
    static let values: [Float] = {
        var values: [Float] = []
        for bits in UInt16.min...UInt16.max {
            let value = kv_f16_to_f32(bits)
            guard value.isFinite else { continue }
            let next = kv_f16_to_f32(bits + 1)
            let middle = next.isFinite ? (value + next) / 2 : value
            values += [value, middle.nextDown, middle, middle.nextUp]
        }
        return values + [65_519.99, 65_520, -65_520, 1e30, .infinity, -.infinity, .nan, .signalingNaN, 1e-30, -0.0]
    }()

    /// Equal bits, or both NaN.
    func areEqual(_ a: [UInt16], _ b: [UInt16], infinity: UInt16) -> Bool {
        zip(a, b).allSatisfy { $0 == $1 || ($0 & 0x7fff > infinity && $1 & 0x7fff > infinity) }
    }

    func table(_ instructionSet: InstructionSet) -> UnsafePointer<kv_ops_kernels> {
        kv_ops_kernels_for(kv_isa(rawValue: instructionSet.code))
    }

    @Test("Narrowing to half rounds as the scalar conversion", arguments: InstructionSet.supported)
    func narrowing(instructionSet: InstructionSet) {
        let expected = Self.values.map { kv_f32_to_f16($0) }
        var halves = [UInt16](repeating: 0, count: Self.values.count)
        table(instructionSet).pointee.f32_to_f16(Self.values, &halves, halves.count)
        #expect(areEqual(halves, expected, infinity: 0x7c00))
    }

    @Test("Widening every half gives its value", arguments: InstructionSet.supported)
    func widening(instructionSet: InstructionSet) {
        let halves = (UInt16.min...UInt16.max).map { $0 }
        var values = [Float](repeating: 0, count: halves.count)
        table(instructionSet).pointee.f16_to_f32(halves, &values, values.count)
        for (value, half) in zip(values, halves) {
            let expected = kv_f16_to_f32(half)
            guard value.bitPattern != expected.bitPattern else { continue }
            #expect(value.isNaN && expected.isNaN)
        }
    }

    @Test("Rows of any length convert completely and no further", arguments: InstructionSet.supported)
    func lengths(instructionSet: InstructionSet) {
        let kernels = table(instructionSet)
        for count in 0..<40 {
            let x = randomActivations(count, seed: 41)
            var halves = [UInt16](repeating: 0xeeee, count: count + 1)
            kernels.pointee.f32_to_f16(x, &halves, count)
            #expect(halves == x.map { kv_f32_to_f16($0) } + [0xeeee])
            var back = [Float](repeating: -7, count: count + 1)
            kernels.pointee.f16_to_f32(halves, &back, count)
            #expect(back == halves.prefix(count).map { kv_f16_to_f32($0) } + [-7])
        }
    }

    @Test("Narrowing to bfloat16 takes the nearest, ties to even", arguments: InstructionSet.supported)
    func brainFloats(instructionSet: InstructionSet) {
        let kernels = table(instructionSet)
        var x: [Float] = []
        for bits in stride(from: UInt32(0), through: 0xff7f, by: 7) {
            for low: UInt32 in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] { x.append(Float(bitPattern: bits << 16 | low)) }
        }
        x += [.infinity, -.infinity, .greatestFiniteMagnitude]
        let finite = x.filter { !$0.isNaN }
        var narrow = [UInt16](repeating: 0, count: finite.count)
        kernels.pointee.f32_to_bf16(finite, &narrow, finite.count)
        for (value, bits) in zip(finite, narrow) {
            let down = value.bitPattern >> 16
            let low = value.bitPattern & 0xffff
            let up = low > 0x8000 || (low == 0x8000 && down & 1 == 1)
            #expect(UInt32(bits) == (up ? down + 1 : down))
        }
        var widened = [Float](repeating: 0, count: narrow.count)
        kernels.pointee.bf16_to_f32(narrow, &widened, narrow.count)
        #expect(bitPatterns(widened) == narrow.map { UInt32($0) << 16 })

        let quiet: [Float] = [.nan, .signalingNaN, Float(bitPattern: 0x7f80_0001), Float(bitPattern: 0xffff_ffff)]
        var bits = [UInt16](repeating: 0, count: quiet.count)
        kernels.pointee.f32_to_bf16(quiet, &bits, quiet.count)
        #expect(bits.allSatisfy { $0 & 0x7fff > 0x7f80 })
    }
}

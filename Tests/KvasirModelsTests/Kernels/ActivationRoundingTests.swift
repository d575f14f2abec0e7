import CKvasir
import KvasirNumerics
import Testing

@Suite("Activations rounded to 8 bits")
struct ActivationRoundingTests {
    func codes(_ group: kv_activation_group) -> [Int] {
        withUnsafeBytes(of: group.codes) { $0.map { Int(Int8(bitPattern: $0)) } }
    }

    func bytes(_ groups: [kv_activation_group]) -> [UInt8] { groups.withUnsafeBytes(Array.init) }

    /// Ordinary values, and groups with everything that is not.
    var difficult: [Float] {
        var x = randomActivations(32 * 64, seed: 20)
        x += randomActivations(320, seed: 21).map { $0 * 0x1p-130 }
        x += randomActivations(320, seed: 22).map { $0 * 0x1p126 }
        x += [Float](repeating: 0, count: 16) + [Float](repeating: -0.0, count: 16)
        x += [.greatestFiniteMagnitude] + [Float](repeating: -.greatestFiniteMagnitude, count: 31)
        x += [Float](repeating: .leastNonzeroMagnitude, count: 32)
        x += (0..<32).map { Float(sign: .plus, exponent: -119, significand: 1) * ($0 == 3 ? 1 : 0.25) }
        return x
    }

    @Test("Every instruction set gives the same bytes")
    func identicalEverywhere() {
        let x = difficult
        let expected = bytes(Kernels(.generic).quantize(x))
        for instructionSet in InstructionSet.supported {
            #expect(bytes(Kernels(instructionSet).quantize(x)) == expected, "\(instructionSet)")
        }
    }

    @Test("A code times the scale is within half a step of the value", arguments: InstructionSet.supported)
    func errorIsHalfAStep(instructionSet: InstructionSet) {
        let x = difficult
        for (index, group) in Kernels(instructionSet).quantize(x).enumerated() {
            let values = x[index * 32..<index * 32 + 32]
            let largest = values.map(\.magnitude).max() ?? 0
            if largest < 0x1p-119 {
                #expect(group.scale == 0 && codes(group).allSatisfy { $0 == 0 })
                continue
            }
            #expect(group.scale == largest / 127)
            for (code, value) in zip(codes(group), values) {
                // The inverse scale and the product are each rounded once.
                let error = (Double(code) * Double(group.scale) - Double(value)).magnitude
                #expect(error <= Double(group.scale) * (0.5 + 127 * 0x1p-22))
                #expect((-127...127).contains(code))
            }
        }
    }

    @Test("Ties go to the even code", arguments: InstructionSet.supported)
    func tiesToEven(instructionSet: InstructionSet) {
        let x: [Float] = [127, 0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -2.5] + [Float](repeating: 0, count: 24)
        let group = Kernels(instructionSet).quantize(x)[0]
        #expect(Array(codes(group).prefix(8)) == [127, 0, 2, 2, 4, 0, -2, -2])
    }

    @Test("The sums are those of the codes", arguments: InstructionSet.supported)
    func sumsMatchCodes(instructionSet: InstructionSet) {
        for group in Kernels(instructionSet).quantize(randomActivations(640, seed: 23)) {
            let codes = codes(group)
            #expect(Int(group.minus_sum) == -codes.reduce(0, +))
            #expect(Int(group.minus_half_sum) == -codes.prefix(16).reduce(0, +))
            #expect(group.sum == group.scale * Float(codes.reduce(0, +)))
        }
    }

    @Test(
        "A NaN or infinity makes its own token's outputs NaN and no others",
        arguments: LinearCase.quantized, [Float.nan, .infinity, -.infinity, .signalingNaN])
    func nonFiniteActivations(test: LinearCase, bad: Float) {
        let kernels = Kernels(test.instructionSet)
        let packed = PackedMatrix(test.format, rows: 20, columns: 256, seed: 24)
        var x = randomActivations(4 * 256, seed: 25)
        let clean = kernels.multiply(packed.matrix, kernels.quantize(x), tokens: 4)
        x[2 * 256 + 77] = bad
        let y = kernels.multiply(packed.matrix, kernels.quantize(x), tokens: 4)
        #expect(y[40..<60].allSatisfy { $0.isNaN })
        #expect(Array(y[..<40]) == Array(clean[..<40]))
        #expect(Array(y[60...]) == Array(clean[60...]))
    }

    @Test("Zeros and values too small to round give zero", arguments: LinearCase.quantized)
    func zeros(test: LinearCase) {
        let kernels = Kernels(test.instructionSet)
        let packed = PackedMatrix(test.format, rows: 17, columns: 256, seed: 26)
        for value: Float in [0, -0.0, .leastNonzeroMagnitude, 0x1p-120] {
            let groups = kernels.quantize([Float](repeating: value, count: 256))
            let y = kernels.multiply(packed.matrix, groups, tokens: 1)
            #expect(y.allSatisfy { $0 == 0 })
        }
    }
}

import CKvasir
import Testing

@testable import KvasirNumerics

@Suite struct HalfTests {
    #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
    @Test func everyHalfWidensAsTheLanguageDoes() {
        for bits in UInt16.min...UInt16.max {
            let expected = Float(Float16(bitPattern: bits))
            let actual = kv_f16_to_f32(bits)
            #expect(expected.bitPattern == actual.bitPattern || (expected.isNaN && actual.isNaN))
        }
    }

    @Test func narrowingRoundsToNearestEven() {
        // Every half, its neighbours in binary32, and the points midway to the next half.
        for bits in UInt16(0)...0x7c00 {
            let value = Float(Float16(bitPattern: bits))
            let next = Float(Float16(bitPattern: min(bits + 1, 0x7bff)))
            for candidate in [value, value.nextUp, value.nextDown, (value + next) / 2, 65519, 65520, -value] {
                let expected = Float16(candidate).bitPattern
                #expect(kv_f32_to_f16(candidate) == expected, "\(candidate)")
            }
        }
        #expect(Float16(bitPattern: kv_f32_to_f16(.nan)).isNaN)
        #expect(kv_f32_to_f16(-.infinity) == Float16(-Float16.infinity).bitPattern)
    }
    #endif

    @Test func brainFloatsWiden() {
        #expect(kv_bf16_to_f32(0x3f80) == 1)
        #expect(kv_bf16_to_f32(0xc020) == -2.5)
        #expect(kv_bf16_to_f32(0x7f80) == .infinity)
    }
}

@Suite struct InstructionSetTests {
    @Test func theGenericRowAlwaysRuns() {
        #expect(InstructionSet.supported.contains(.generic))
        #expect(InstructionSet.best.isSupported)
    }

    @Test func theEnvironmentForcesOne() throws {
        #expect(try InstructionSet.resolve(environment: ["KVASIR_ISA": "generic"]) == .generic)
        #expect(try InstructionSet.resolve(environment: [:]) == InstructionSet.best)
        #expect(try InstructionSet.resolve(environment: ["KVASIR_ISA": ""]) == InstructionSet.best)
    }

    @Test func unknownAndForeignNamesAreRefused() {
        let unknown = InstructionSetError(received: "sse9", isKnown: false)
        #expect(throws: unknown) { try InstructionSet.resolve(environment: ["KVASIR_ISA": "sse9"]) }
        #expect(unknown.description.hasPrefix("KVASIR_ISA: 'sse9' is not an instruction set; use one of generic"))
        for foreign in InstructionSet.allCases where !foreign.isSupported {
            #expect(throws: InstructionSetError(received: foreign.rawValue, isKnown: true)) {
                try InstructionSet.resolve(environment: ["KVASIR_ISA": foreign.rawValue])
            }
        }
    }
}

@Suite struct AlignedBufferTests {
    @Test(arguments: [0, 1, 63, 64, 1000])
    func memoryIsZeroAndAligned(count: Int) {
        let buffer = AlignedBuffer<Float>(zeroed: count)
        #expect(Int(bitPattern: buffer.pointer) % AlignedBuffer<Float>.alignment == 0)
        #expect(buffer.elements.allSatisfy { $0 == 0 })
        #expect(buffer.byteCount == count * 4)
    }

    @Test func reservingMoreGrowsAndLessKeeps() {
        var buffer = AlignedBuffer<Int32>(zeroed: 4)
        buffer[3] = 7
        buffer.reserve(2)
        #expect(buffer[3] == 7)
        buffer.reserve(5)
        #expect(buffer.count >= 5)
    }
}

@Suite struct ByteCountTests {
    @Test(arguments: [
        (0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (48_234_496, "46.0 MiB"), (-2048, "-2.0 KiB"),
    ])
    func aCountPrintsInItsUnit(bytes: Int, text: String) {
        #expect(ByteCount(bytes).description == text)
    }
}

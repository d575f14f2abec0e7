import CKvasir
import Foundation
import KvasirNumerics
import Testing

@testable import KvasirCodecs

/// Test vectors of the reference text, section 10, and what the codec does at the edges.
@Suite struct QaqTests {
    private static func rule(_ change: (inout QaqParameters) -> Void) -> QaqRule {
        var parameters = QaqParameters()
        (parameters.leastBits, parameters.mostBits) = (0, 8)
        change(&parameters)
        return QaqRule(parameters: parameters)
    }

    // MARK: Rules

    @Test(arguments: [
        (QaqParameters.Variant.paper, 1.0, 5), (.code, 1, 4), (.paper, 0.01, 6), (.code, 0.01, 5),
    ])
    func bitsOfKeys(variant: QaqParameters.Variant, target: Double, expected: Int) {
        let rule = Self.rule { ($0.variant, $0.keyTarget) = (variant, target) }
        #expect(rule.keyBits(range: 10, queryNorm: 300, tokens: 100) == expected)
    }

    /// From `t` tokens on the allowed error of keys stays what it is; without, it grows with the context.
    @Test func longContextsAskForNoFewerBits() {
        func bits(_ limit: Int?, _ tokens: Int) -> Int {
            let rule = Self.rule { ($0.leastBits, $0.mostBits, $0.keyTarget, $0.keyContext) = (0, 8, 0.003, limit) }
            return rule.keyBits(range: 10, queryNorm: 3, tokens: tokens)
        }
        #expect([100, 1_000].allSatisfy { bits(1_000, $0) == bits(nil, $0) })
        #expect([2_000, 100_000].allSatisfy { bits(1_000, $0) == bits(1_000, 1_000) })
        #expect(bits(nil, 1_000_000) < bits(nil, 1_000))
    }

    @Test(arguments: [
        (QaqParameters.Variant.paper, 1.0, 1), (.code, 1, 1), (.paper, 0.1, 4), (.code, 0.1, 4),
    ])
    func bitsOfValues(variant: QaqParameters.Variant, target: Double, expected: Int) {
        let rule = Self.rule { ($0.variant, $0.valueTarget) = (variant, target) }
        #expect(rule.valueBits(range: 10, weight: 0.05, tokens: 100) == expected)
    }

    @Test func edgesOfTheRules() {
        let rule = Self.rule { ($0.leastBits, $0.mostBits) = (2, 6) }
        // No weight: any error will do. No range: nothing to code.
        #expect(rule.valueBits(range: 10, weight: 0, tokens: 100) == 2)
        #expect(rule.valueBits(range: 0, weight: 1, tokens: 100) == 0)
        #expect(rule.keyBits(range: 0, queryNorm: 1, tokens: 100) == 0)
        #expect(rule.keyBits(range: 10, queryNorm: 0, tokens: 100) == 2)
        // The first decision has a page of tokens; one token alone would divide by zero, and gets the most bits at worst.
        #expect((2...6).contains(rule.keyBits(range: 10, queryNorm: 1, tokens: 1)))
        #expect(rule.valueBits(range: 1e30, weight: 1, tokens: 100) == 6)
    }

    @Test func exactPowersNeedNoBitMore() {
        // R sqrt(T) S / (2 sqrt(3) sigma) is 4 but for rounding, and then a little more.
        let rule = Self.rule { $0.valueTarget = 1 }
        let range = 4 * 12.0.squareRoot() / (10 * 0.5)
        #expect(rule.valueBits(range: range * 0.999999, weight: 0.5, tokens: 100) == 2)
        #expect(rule.valueBits(range: range * 1.000001, weight: 0.5, tokens: 100) == 3)
    }

    // MARK: Quantizer

    private static let five: [Float] = [-1, -0.2, 0.1, 0.7, 1]

    /// The reference's values decoded in a unit of 16 channels, the others in the middle.
    ///
    /// - Parameter dropped: to how many bits planes are dropped before.
    private func decodedFive(_ name: String, dropped bits: Int? = nil) throws -> [Float] {
        let codec = try CodecRegistry.codec(named: name)
        let values = try codec.values(shape: HeadShape(kvHeads: 1, headSize: 16), instructionSet: .best)
        let memory = AlignedBuffer<UInt8>(zeroed: values.storage.bytes)
        let part = UnsafeMutableRawPointer(memory.pointer)
        let vector = Self.five + [Float](repeating: 0, count: 11)
        vector.withUnsafeBufferPointer { values.encode($0.baseAddress!, position: 0, into: part) }
        if let bits {
            let adaptive = try #require(values.adaptive)
            let fewer = [UInt8](repeating: UInt8(bits), count: PageGeometry.tokens)
            adaptive.drop(to: fewer, of: part)
        }
        return Array(decoded(values, part).prefix(5))
    }

    private func decoded(_ values: any PageCodec, _ memory: UnsafeRawPointer, slot: Int = 0) -> [Float] {
        [Float](unsafeUninitializedCapacity: values.shape.width) { buffer, count in
            values.decode(position: slot, of: memory, into: buffer.baseAddress!)
            count = values.shape.width
        }
    }

    @Test(
        arguments: [
            (1, [-0.5, -0.5, 0.5, 0.5, 0.5]), (2, [-0.75, -0.25, 0.25, 0.75, 0.75]),
            (3, [-0.875, -0.125, 0.125, 0.625, 0.875]),
        ] as [(Int, [Float])])
    func midpoints(bits: Int, expected: [Float]) throws {
        #expect(try decodedFive("qaq/min\(bits)/max\(bits)/o0/layer") == expected)
        // Dropping planes is quantizing to fewer bits.
        #expect(try decodedFive("qaq/min0/max3/o0/layer", dropped: bits) == expected)
        #expect(try decodedFive("qaq/min0/max3/o0/layer", dropped: 0) == [0, 0, 0, 0, 0])
    }

    /// Why the quantizer of the authors' program is not used: its codes of fewer bits are not those of more cut short.
    @Test func theQuantizerAroundTheMeanIsNotNested() {
        func codes(_ bits: Int) -> (codes: [Int], values: [Float]) {
            let mean: Float = 0.12
            let width = 2 / Float(1 << bits)
            let codes = Self.five.map { value in
                let cell = Int(((value - mean) / width).rounded(.toNearestOrEven))
                return min(max(cell, -(1 << bits) / 2), (1 << bits) / 2 - 1)
            }
            return (codes, codes.map { Float($0) * width + mean })
        }
        #expect(codes(1).codes == [-1, 0, 0, 0, 0])
        #expect(codes(2).codes == [-2, -1, 0, 1, 1])
        #expect(codes(3).codes == [-4, -1, 0, 2, 3])
        for (value, expected) in zip(codes(3).values, [-0.88, -0.13, 0.12, 0.62, 0.87] as [Float]) {
            #expect(abs(value - expected) < 1e-6)
        }
        #expect(codes(2).codes.map { $0 >> 1 } != codes(1).codes)
    }

    // MARK: Outliers

    @Test func outlierCountsAreThoseOfTheThresholds() {
        var parameters = QaqParameters()
        parameters.outliers = 1
        for (size, expected) in [(64, 2), (128, 2), (200, 2), (512, 6), (1024, 12), (4096, 42)] {
            let counts = parameters.outlierCounts(unitSize: size)
            #expect(counts.low + counts.high == expected, "\(size)")
        }
        parameters.outliers = 0
        #expect(parameters.outlierCounts(unitSize: 128) == (0, 0))
    }

    @Test func outliersAreExactAndLeaveTheRangeToTheOthers() throws {
        let codec = try CodecRegistry.codec(named: "qaq/max2/o1/layer")
        let values = try codec.values(shape: HeadShape(kvHeads: 2, headSize: 64), instructionSet: .best)
        let memory = AlignedBuffer<UInt8>(zeroed: values.storage.bytes)
        var vector = (1...128).map(Float.init)
        (vector[5], vector[127]) = (-1000, 1000)
        vector.withUnsafeBufferPointer {
            values.encode($0.baseAddress!, position: 0, into: UnsafeMutableRawPointer(memory.pointer))
        }
        let read = decoded(values, memory.pointer)
        #expect(read[5] == -1000 && read[127] == 1000)
        // Of 1...127 without 6: cells a quarter of 126 wide.
        for channel in 0..<127 where channel != 5 { #expect(abs(read[channel] - vector[channel]) <= 126 / 8) }
    }

    @Test(arguments: ["head", "layer"])
    func constantUnitsAndTiesAreBounded(unit: String) throws {
        let codec = try CodecRegistry.codec(named: "qaq/\(unit)")
        let values = try codec.values(shape: HeadShape(kvHeads: 2, headSize: 64), instructionSet: .best)
        let adaptive = try #require(values.adaptive)
        let memory = AlignedBuffer<UInt8>(zeroed: values.storage.bytes)
        let part = UnsafeMutableRawPointer(memory.pointer)
        let inputs: [[Float]] = [
            [Float](repeating: 2.5, count: 128), [Float](repeating: 0, count: 128),
            (0..<128).map { $0 % 2 == 0 ? -1 : 1 },
        ]
        for (slot, input) in inputs.enumerated() {
            input.withUnsafeBufferPointer { values.encode($0.baseAddress!, position: slot, into: part) }
        }
        #expect(decoded(values, part, slot: 0) == inputs[0])
        #expect(decoded(values, part, slot: 1) == inputs[1])
        let width: Float = 2 / 64
        for (value, input) in zip(decoded(values, part, slot: 2), inputs[2]) {
            #expect(abs(value - input) <= width / 2)
        }
        // Decided about, constant units have no planes at all, and lose nothing.
        var current = [UInt8](repeating: 0, count: adaptive.units * PageGeometry.tokens)
        adaptive.readBits(of: part, into: &current)
        var bits = current
        let weights = [UInt16](repeating: 0x3C00, count: current.count)
        _ = adaptive.decide(
            part, context: 128, page: 0, weights: weights, stride: PageGeometry.tokens, current: current, into: &bits)
        for unit in 0..<adaptive.units {
            #expect(bits[unit * PageGeometry.tokens] == 0 && bits[unit * PageGeometry.tokens + 1] == 0)
        }
        adaptive.drop(to: bits, of: part)
        #expect(decoded(values, part, slot: 0) == inputs[0])
    }

    // MARK: Planes

    /// Random numbers of bits for the tokens of a page.
    private func randomBits(_ part: AdaptivePart, below: [UInt8]? = nil, seed: UInt64) -> [UInt8] {
        var generator = PlainGenerator(seed: seed)
        return (0..<part.units * PageGeometry.tokens).map { place in
            UInt8(generator.next() % (UInt64(below?[place] ?? UInt8(part.mostBits)) + 1))
        }
    }

    @Test(arguments: ["qaq/max8/head", "qaq/max4/layer", "qaq/max5/o0/head"], InstructionSet.supported)
    func kernelsReadWhatIsLeft(name: String, instructionSet: InstructionSet) throws {
        for shape in [
            HeadShape(kvHeads: 3, headSize: 64), HeadShape(kvHeads: 2, headSize: 80),
            HeadShape(kvHeads: 1, headSize: 256),
        ] {
            let fixture = try CodecFixture(
                codec: CodecRegistry.codec(named: name), shape: shape, tokens: 150, instructionSet: instructionSet
            ) { $0.normalsWithOutliers($1) }
            var generator = PlainGenerator(seed: 3)
            let queries = generator.normals(5 * shape.headSize)
            var bits: [UInt8]?
            for round in 0..<3 {
                let part = try #require(fixture.keys.adaptive)
                if round > 0 {
                    let fewer = randomBits(part, below: bits, seed: UInt64(round))
                    for page in 0..<2 {
                        let parts = fixture.parts(ofPage: page)
                        part.drop(to: fewer, of: UnsafeMutableRawPointer(mutating: parts.keys))
                        part.drop(to: fewer, of: UnsafeMutableRawPointer(mutating: parts.values))
                        var read = fewer
                        part.readBits(of: parts.keys, into: &read)
                        #expect(read == fewer)
                    }
                    bits = fewer
                }
                let head = shape.kvHeads - 1
                let twin = PlainAttention(fixture, head: head, rows: 5)
                let (scores, scoreSizes) = twin.score(queries)
                #expect(relativeError(fixture.score(head: head, queries: queries), scores, sizes: scoreSizes) < 4e-6)
                let weights = scores.map { Float(0.01 + $0 * $0) }
                let (mixed, mixedSizes) = twin.mix(weights)
                #expect(
                    relativeError(fixture.mix(head: head, weights: weights, rows: 5), mixed, sizes: mixedSizes) < 4e-6)
            }
        }
    }

    @Test func droppingInStepsIsDroppingAtOnce() throws {
        let shape = HeadShape(kvHeads: 3, headSize: 64)
        func fixture() throws -> CodecFixture {
            try CodecFixture(
                codec: CodecRegistry.codec(named: "qaq/max6/head"), shape: shape, tokens: 64, instructionSet: .best)
        }
        let (once, twice) = (try fixture(), try fixture())
        let part = try #require(once.keys.adaptive)
        let first = randomBits(part, seed: 1)
        let second = randomBits(part, below: first, seed: 2)
        let (a, b) = (
            UnsafeMutableRawPointer(mutating: once.parts(ofPage: 0).keys),
            UnsafeMutableRawPointer(mutating: twice.parts(ofPage: 0).keys)
        )
        part.drop(to: second, of: a)
        part.drop(to: first, of: b)
        part.drop(to: second, of: b)
        #expect((0..<64).allSatisfy { once.decodedKey($0) == twice.decodedKey($0) })
        let bytes = part.extentBytes(bits: second)
        #expect(bytes == second.reduce(0) { $0 + Int($1) } * shape.headSize / 8)
        let planes = part.fixedBytes
        #expect(memcmp(a + planes, b + planes, bytes) == 0)
    }

    @Test func planesComeBackExactly() throws {
        let shape = HeadShape(kvHeads: 2, headSize: 48)
        let codec = try CodecRegistry.codec(named: "qaq/max5/full/head")
        let values = try codec.values(shape: shape, instructionSet: .best)
        let part = try #require(values.adaptive)
        #expect(part.copyBytes == 64 * shape.width * 2)
        let memory = AlignedBuffer<UInt8>(zeroed: part.fixedBytes)
        let extent = AlignedBuffer<UInt8>(zeroed: part.extentBytes)
        let copy = AlignedBuffer<UInt8>(zeroed: part.copyBytes)
        let target = UnsafeMutableRawPointer(memory.pointer)
        part.attach(extent.pointer, copy: copy.pointer, to: target)
        var generator = PlainGenerator(seed: 9)
        for slot in 0..<64 {
            generator.normalsWithOutliers(shape.width).withUnsafeBufferPointer {
                values.encode($0.baseAddress!, position: slot, into: target)
            }
        }
        let before = (0..<64).map { decoded(values, target, slot: $0) }
        let all = AlignedBuffer<UInt8>(zeroed: part.extentBytes)
        part.planes(ofCopy: copy.pointer, part: target, into: all.pointer)
        #expect(memcmp(all.pointer, extent.pointer, part.extentBytes) == 0)
        let fewer = randomBits(part, seed: 4)
        part.drop(to: fewer, of: target)
        #expect((0..<64).contains { decoded(values, target, slot: $0) != before[$0] })
        let more = AlignedBuffer<UInt8>(zeroed: part.extentBytes)
        part.gather([UInt8](repeating: 5, count: 128), from: all.pointer, into: more.pointer, part: target)
        #expect((0..<64).allSatisfy { decoded(values, target, slot: $0) == before[$0] })
    }

    // MARK: Decisions

    @Test func monotoneBitsOnlyFallAndHysteresisHoldsThem() throws {
        func decide(_ name: String, weight: UInt16, current: UInt8) throws -> (UInt8, AdaptivePart.Decision) {
            let codec = try CodecRegistry.codec(named: name)
            let fixture = try CodecFixture(
                codec: codec, shape: HeadShape(kvHeads: 1, headSize: 64), tokens: 64, instructionSet: .best)
            let part = try #require(fixture.values.adaptive)
            let weights = [UInt16](repeating: weight, count: 64)
            let before = [UInt8](repeating: current, count: 64)
            var bits = before
            let decision = part.decide(
                fixture.parts(ofPage: 0).values, context: 128, page: 0, weights: weights, stride: 64, current: before,
                into: &bits)
            return (bits[0], decision)
        }
        // A weight of 1 asks for many bits, none for the fewest.
        #expect(try decide("qaq/min1/max6/ev0.01", weight: 0x3C00, current: 3).0 == 3)
        #expect(try decide("qaq/min1/max6/ev0.01/full", weight: 0x3C00, current: 3).0 == 6)
        #expect(try decide("qaq/min1/max6/ev0.01/full", weight: 0x3C00, current: 3).1.raised == 64)
        #expect(try decide("qaq/min1/max6", weight: 0, current: 6).0 == 1)
        #expect(try decide("qaq/min1/max6", weight: 0, current: 6).1.lowered == 64)
        #expect(try decide("qaq/min1/max6/h4", weight: 0, current: 4).0 == 4)
        #expect(try decide("qaq/min1/max6/h4", weight: 0, current: 5).0 == 1)
    }

    @Test func theNewestTokensAreNotDecidedAbout() throws {
        let fixture = try CodecFixture(
            codec: CodecRegistry.codec(named: "qaq/min0/max4/n5"), shape: HeadShape(kvHeads: 1, headSize: 64),
            tokens: 64, instructionSet: .best)
        let part = try #require(fixture.values.adaptive)
        let current = [UInt8](repeating: 4, count: 64)
        var bits = current
        _ = part.decide(
            fixture.parts(ofPage: 0).values, context: 64, page: 0, weights: [UInt16](repeating: 0, count: 64),
            stride: 64,
            current: current, into: &bits)
        #expect(bits[..<60].allSatisfy { $0 == 0 } && bits[60...].allSatisfy { $0 == 4 })
    }

    @Test func whatWasNotedIsTheMaximum() {
        var most = [UInt16](repeating: 0, count: 1)
        var seen: [Float] = []
        for window in [[0.30, 0.02, 0.01], [0.02, 0.01, 0.04]] as [[Float]] {
            most = [0]
            for weight in window { kv_qaq_note_weights(&most, [weight * 2], 1, 0.5) }
            seen.append(kv_f16_to_f32(most[0]))
        }
        #expect(abs(seen[0] - 0.30) < 2e-4 && abs(seen[1] - 0.04) < 2e-5)
    }

    // MARK: Accounting

    @Test func bitsAreCountedAsTheyLieAndAsThePaperCountsThem() throws {
        let shape = HeadShape(kvHeads: 32, headSize: 128)
        let codec = try CodecRegistry.codec(named: "qaq/min2/max2/o1/layer")
        let values = try codec.values(shape: shape, instructionSet: .best)
        let part = try #require(values.adaptive)
        #expect(part.unitSize == 4096 && part.outliers == 42)
        #expect(abs(part.paperBitsPerValue(meanBits: 2) - 2.148) < 0.0005)
        // Positions are whole bytes here, outliers have codes that nobody reads, and there is a header.
        let bits = values.storage.bitsPerValue(width: shape.width)
        #expect(abs(part.bitsPerValue(meanBits: 2) - bits) < 1e-9)
        #expect(bits > 2.274 && bits < 2.36)
    }

    // MARK: Names

    @Test func parametersHaveOneSpelling() throws {
        let usual = try CodecRegistry.codec(named: "qaq")
        #expect(try CodecRegistry.codec(named: usual.name).name == usual.name)
        #expect(
            try CodecRegistry.codec(named: "qaq/spill/layer/ev2.50/ek0.1/o0.5/n3/t0200/max6/min2/code/h2/rot").name
                == "qaq/min2/max6/n3/o0.5/ek0.1/ev2.5/t200/h2/code/layer/spill/rot")
        #expect(try CodecRegistry.codec(named: "qaq/min3/max3").name.hasPrefix("qaq/min3/max3/"))
    }

    @Test(arguments: [
        ("qaq/min9", "min0 to min8"), ("qaq/max0", "max1 to max8"), ("qaq/n0", "n1 to n32"), ("qaq/n33", "n1 to n32"),
        ("qaq/o5", "o0 to o4"), ("qaq/o-1", "o0 to o4"), ("qaq/ek0", "ek0.0001 to ek1000"),
        ("qaq/ev1e5", "ev0.0001 to ev1000"), ("qaq/evnan", "min0 to min8"), ("qaq/h0", "h1 to h8"),
        ("qaq/min5/max4", "min0 to min4"), ("qaq/token", "head, layer or mixed"), ("qaq/min1/min2", "say it once"),
        ("qaq/head/layer", "say it once"), ("qaq/", "paper or code"), ("qaq/max", "max1 to max8"),
        ("qaq/t1048577", "t0 to t1048576"), ("qaq/t-1", "t0 to t1048576"),
    ])
    func badParametersNameThePermittedRange(name: String, remedy: String) {
        let error = #expect(throws: CodecError.self) { try CodecRegistry.codec(named: name) }
        #expect(error?.reason == .unknownParameter)
        #expect(error?.description.contains(remedy) == true, "\(error?.description ?? "")")
    }

    @Test func shapesAndNormsThatDoNotFitAreRefused() throws {
        let codec = try CodecRegistry.codec(named: "qaq")
        #expect(throws: CodecError.self) {
            try codec.keys(shape: HeadShape(kvHeads: 1, headSize: 272), instructionSet: .best)
        }
        let error = #expect(throws: CodecError.self) {
            try codec.keys(
                of: LayerContext(
                    shape: HeadShape(kvHeads: 2, headSize: 64), instructionSet: .best, queryNorms: [1, 2, 3]))
        }
        #expect(error?.reason == .needsCalibration)
    }
}

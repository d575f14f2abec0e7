import KvasirNumerics
import Testing

@testable import KvasirCodecs

@Suite struct RotationTests {
    static let sizes = [16, 32, 48, 64, 80, 96, 112, 128, 256, 512]

    private func rotated(_ vector: [Float], size: Int, _ instructionSet: InstructionSet) throws -> [Float] {
        let rotation = try HeadRotation(
            shape: HeadShape(kvHeads: vector.count / size, headSize: size), instructionSet: instructionSet)
        var copy = vector
        copy.withUnsafeMutableBufferPointer { rotation.apply(to: $0.baseAddress!, count: vector.count) }
        return copy
    }

    @Test(arguments: sizes)
    func theTransformIsTheWalshMatrix(size: Int) throws {
        let block = size & -size
        for channel in 0..<size {
            var unit = [Float](repeating: 0, count: size)
            unit[channel] = 1
            let row = try rotated(unit, size: size, .generic)
            let expected = (0..<size).map { other -> Float in
                guard other / block == channel / block else { return 0 }
                let sign: Float = ((channel % block) & (other % block)).nonzeroBitCount % 2 == 0 ? 1 : -1
                return sign / Float(block).squareRoot()
            }
            #expect(zip(row, expected).allSatisfy { abs($0 - $1) <= 1e-7 })
        }
    }

    @Test(arguments: sizes, InstructionSet.supported)
    func itIsOrthonormalAndItsOwnInverse(size: Int, instructionSet: InstructionSet) throws {
        var generator = PlainGenerator(seed: 5)
        let first = generator.normalsWithOutliers(3 * size)
        let second = generator.normals(3 * size)
        let turned = try rotated(first, size: size, instructionSet)
        let other = try rotated(second, size: size, instructionSet)
        func dot(_ a: [Float], _ b: [Float]) -> Double { zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
        #expect(abs(dot(turned, turned) / dot(first, first) - 1) < 1e-6)
        #expect(
            abs(dot(turned, other) - dot(first, second)) < 1e-6 * (dot(first, first) * dot(second, second)).squareRoot()
        )
        #expect(relativeError(try rotated(turned, size: size, instructionSet), first) < 5e-7)
    }

    @Test(arguments: sizes, InstructionSet.supported)
    func everyInstructionSetGivesTheSameBits(size: Int, instructionSet: InstructionSet) throws {
        var generator = PlainGenerator(seed: 6)
        let vector = generator.normalsWithOutliers(2 * size)
        #expect(try rotated(vector, size: size, instructionSet) == rotated(vector, size: size, .generic))
    }

    @Test(arguments: InstructionSet.supported)
    func scoresAndOutputsStayWhatTheyWere(instructionSet: InstructionSet) throws {
        let shape = HeadShape(kvHeads: 2, headSize: 96)
        var generator = PlainGenerator(seed: 8)
        let queries = generator.normals(5 * shape.headSize)
        let weights = (0..<5 * 70).map { _ in Float(generator.uniform()) }
        func results(_ name: String) throws -> (scores: [Float], mixed: [Float]) {
            let fixture = try CodecFixture(
                codec: try CodecRegistry.codec(named: name), shape: shape, tokens: 70, instructionSet: instructionSet)
            return (fixture.score(head: 1, queries: queries), fixture.mix(head: 1, weights: weights, rows: 5))
        }
        let plain = try results("f32")
        let turned = try results("f32/rot")
        #expect(relativeError(turned.scores, plain.scores) < 2e-6)
        #expect(relativeError(turned.mixed, plain.mixed) < 2e-6)
    }

    @Test func aLargeChannelCostsTheOthersNothing() throws {
        let shape = HeadShape(kvHeads: 1, headSize: 64)
        func error(_ name: String) throws -> Double {
            let fixture = try CodecFixture(
                codec: try CodecRegistry.codec(named: name), shape: shape, tokens: 64, instructionSet: .generic
            ) { generator, count in
                generator.normals(count).enumerated().map { $0.offset % 64 == 9 ? 30 : $0.element }
            }
            let others = { (vector: [Float]) in vector.enumerated().filter { $0.offset % 64 != 9 }.map(\.element) }
            return relativeError(
                others((0..<64).flatMap(fixture.decodedKey)), others(fixture.keyVectors))
        }
        #expect(try error("nf4/rot") < error("nf4") / 2)
    }

    @Test(arguments: [8, 24, 40, 100])
    func headsWithoutALargePowerOfTwoAreRefused(size: Int) throws {
        let codec = try CodecRegistry.codec(named: "f16/rot")
        let error = #expect(throws: CodecError.self) {
            _ = try codec.values(shape: HeadShape(kvHeads: 1, headSize: size), instructionSet: .generic)
        }
        #expect(error?.reason == .unsupportedShape)
        #expect(error?.received == "rotation of head size \(size)")
    }
}

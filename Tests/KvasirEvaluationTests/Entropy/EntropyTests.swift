import Foundation
import KvasirCache
import KvasirCodecs
import KvasirEngine
import KvasirNumerics
import Testing

@testable import KvasirEvaluation

struct EntropyTests {
    private static let shape = HeadShape(kvHeads: 1, headSize: 4)

    /// Four channels from a function of the token and a generator.
    private static func vectors(_ tokens: Int, _ row: (Int, inout SeededGenerator) -> [Float]) -> [Float] {
        var generator = SeededGenerator(seed: 3)
        return (0..<tokens).flatMap { row($0, &generator) }
    }

    private static func sums(_ values: [Float], bins: Int = 16, shape: HeadShape = shape) throws -> EntropySums {
        try EntropyObserver.sums(of: values, shape: shape, bins: bins, threads: ThreadPool())
    }

    @Test func entropyOfCounts() {
        #expect(JointHistogram.entropy([4, 4], of: 8).bits == 1)
        #expect(JointHistogram.entropy([1, 1, 2, 0], of: 4).bits == 1.5)
        #expect(JointHistogram.entropy([7], of: 7) == (0, 0))
        #expect(JointHistogram.entropy([], of: 0) == (0, 0))
        // Half a nat for every occupied bin but one, over the observations.
        #expect(abs(JointHistogram.entropy([1, 1, 2, 0], of: 4).correction - 2 / (2 * 4 * log(2))) < 1e-12)
    }

    @Test func independentChannelsSaveNothingAndCopiesEverything() throws {
        let independent = try Self.sums(
            Self.vectors(1 << 16) { _, random in (0..<4).map { _ in Float(random.nextUnit()) } }, bins: 4)
        // Two bits a channel.
        for channels in 1...4 {
            #expect(abs(independent.meanAlone[channels - 1] - Double(2 * channels)) < 0.01)
            #expect(abs(independent.meanJoint[channels - 1] - independent.meanAlone[channels - 1]) < 0.01)
        }
        let copies = try Self.sums(
            Self.vectors(5000) { _, random in
                let value = Float(random.nextUnit())
                return [value, -value, 3 * value, value + 100]
            }, bins: 8)
        for channels in 1...4 {
            #expect(copies.meanAlone[channels - 1] > 2.9 * Double(channels))
            #expect(copies.meanJoint[channels - 1] < 3.4)
        }
    }

    @Test func jointEntropyLiesBetweenTheGreatestAndTheSum() throws {
        let values = Self.vectors(3000) { _, random in
            let common = Float(random.nextUnit())
            return (0..<4).map { Float($0 + 1) * common + Float(random.nextUnit()) }
        }
        let sums = try Self.sums(values)
        let (joint, alone) = (sums.meanJoint, sums.meanAlone)
        #expect(joint[0] == alone[0])
        for channels in 1..<4 {
            #expect(joint[channels] >= joint[channels - 1] && joint[channels] < alone[channels])
            #expect(sums.correctedJoint[channels] > joint[channels])
            #expect(sums.correctedAlone[channels] > alone[channels])
        }
        // Few observations of many cells are far too low, and the correction is in the right direction.
        let few = try Self.sums(Array(values.prefix(4 * 300)))
        #expect(few.meanJoint[3] < joint[3] && few.correctedJoint[3] > few.meanJoint[3])
    }

    @Test func constantChannelsCarryNothing() throws {
        let sums = try Self.sums(Self.vectors(100) { token, _ in [5, 5, 5, Float(token % 2)] })
        #expect(sums.meanJoint == [0, 0, 0, 1] && sums.meanAlone == [0, 0, 0, 1])
    }

    @Test func groupsAreFourNeighboursOfAHead() throws {
        // Two heads of six channels: one group each, and two channels left out.
        let shape = HeadShape(kvHeads: 2, headSize: 6)
        let values = Self.vectors(64) { token, _ in
            var row = [Float](repeating: 0, count: 12)
            row[4] = Float(token)
            row[5] = Float(token)
            row[6] = Float(token % 2)
            return row
        }
        let sums = try Self.sums(values, shape: shape)
        #expect(sums.groups == 2 && sums.meanJoint == [0.5, 0.5, 0.5, 0.5])
    }

    @Test func everyLayerHasItsForms() throws {
        let engine = try TinyModel.engine(contextLength: 64)
        let text = Array(String(repeating: "the cat in the hat sat on the mat and ", count: 40).utf8)
        let evaluation = try EntropyEvaluation(context: 64, windows: 3, bins: 8)
        let rows = try evaluation.run(text: text, engine: engine, instructionSet: .best)
        let layers = engine.plan.layers.count
        #expect(rows.map(\.layer) == (0..<layers).flatMap { [$0, $0, $0] })
        #expect(rows.prefix(3).map(\.form) == [.keys, .turnedKeys, .values])
        for row in rows {
            let (joint, alone) = (row.sums.meanJoint, row.sums.meanAlone)
            #expect(row.sums.groups == 12 && joint[0] == alone[0] && joint[0] > 0)
            #expect(zip(joint, alone).allSatisfy { $0 <= $1 + 1e-9 })
        }
        // Layers by themselves are the same.
        let last = try EntropyEvaluation(context: 64, windows: 3, bins: 8, layers: LayerList("-1"))
            .run(text: text, engine: engine, instructionSet: .best)
        #expect(last == Array(rows.suffix(3)))
        let report = EntropyReport(rows)
        #expect(report.allLayers.count == 3 && report.allLayers[0].groups == 12 * layers)
        #expect(throws: CacheError.self) {
            try EntropyEvaluation(context: 64, windows: 3, layers: LayerList("9"))
                .run(text: text, engine: engine, instructionSet: .best)
        }
        #expect(throws: EvaluationError.self) {
            try evaluation.run(text: Array("the".utf8), engine: engine, instructionSet: .best)
        }
    }

    @Test func settingsThatMakeNoSense() {
        #expect(throws: EvaluationError.self) { try EntropyEvaluation(context: 64, bins: 17) }
        #expect(throws: EvaluationError.self) { try EntropyEvaluation(context: 64, bins: 1) }
        #expect(throws: EvaluationError.self) { try EntropyEvaluation(context: 2) }
        #expect(throws: EvaluationError.self) { try EntropyEvaluation(context: 64, windows: 0) }
    }
}

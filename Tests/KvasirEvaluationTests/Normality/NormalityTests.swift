import Foundation
import KvasirCache
import KvasirCodecs
import KvasirEngine
import KvasirNumerics
import KvasirTokenizers
import Testing

@testable import KvasirEvaluation

struct NormalityTests {
    /// Values from a generator, `width` for each token.
    private func vectors(tokens: Int, width: Int, _ value: (inout SeededGenerator) -> Double) -> [Float] {
        var random = SeededGenerator(seed: 5)
        return (0..<tokens * width).map { _ in Float(value(&random)) }
    }

    private func normal(_ random: inout SeededGenerator) -> Double {
        NormalDistribution.quantile(max(random.nextUnit(), 1e-12))
    }

    private func statistics(_ vectors: [Float], width: Int, _ unit: NormalityUnit) throws -> BlockStatistics {
        try NormalityObserver.statistics(of: vectors, width: width, unit: unit, threads: ThreadPool())
    }

    @Test(arguments: [NormalityUnit.token, .block(64), .block(128)])
    func ofNormalBlocksFivePercentAreRejected(unit: NormalityUnit) throws {
        let width = 192
        let result = try statistics(vectors(tokens: 1500, width: width, normal), width: width, unit)
        let blocks = unit == .token ? 1500 : unit == .block(64) ? 4500 : 3000
        #expect(result.blocks == blocks && result.untested == 0)
        // The level, within four standard errors and the approximations of the test.
        let error = (0.05 * 0.95 / Double(blocks)).squareRoot()
        #expect(abs(try #require(result.rejectionRate) - 0.05) < 4 * error + 0.008)
        #expect(abs(try #require(result.meanStatistic) - 2) < 0.2)
        #expect(abs(try #require(result.meanSkewness)) < 0.03)
        #expect(abs(try #require(result.meanKurtosis) - 3) < 0.1)
    }

    @Test func otherDistributionsAreRejectedAndBendThePlot() throws {
        let width = 128
        let uniform = try statistics(vectors(tokens: 200, width: width) { $0.nextUnit() }, width: width, .token)
        #expect(try #require(uniform.rejectionRate) > 0.95)
        #expect(abs(try #require(uniform.meanKurtosis) - 1.8) < 0.05)
        let heavy = try statistics(
            vectors(tokens: 200, width: width) {
                let x = normal(&$0); return x * x * x
            }, width: width, .token)
        #expect(heavy.rejectionRate == 1)
        let plot = QuantilePlot(sampleCount: width, points: NormalityEvaluation.plotPoints)
        // Short tails lie inside the diagonal, long ones outside.
        #expect(abs(uniform.quantiles[0]) < abs(plot.theoretical[0]) - 0.5)
        #expect(abs(heavy.quantiles[0]) > abs(plot.theoretical[0]) + 0.5)
    }

    @Test func aBlockSizeThatDoesNotDivideLeavesAShorterBlock() throws {
        let data = vectors(tokens: 10, width: 48, normal)
        // 32 and 16 of every 48: the test needs 20.
        let cut = try statistics(data, width: 48, .block(32))
        #expect(cut.blocks == 10 && cut.untested == 10)
        // 24 and 24.
        #expect(try statistics(data, width: 48, .block(24)).blocks == 20)
        // 26 and 22: both are tested, and the whole ones plotted.
        let both = try statistics(data, width: 48, .block(26))
        #expect(both.blocks == 20 && both.untested == 0 && both.quantiles.count == 26)
        // A vector shorter than a block is one.
        let whole = try statistics(data, width: 48, .token)
        #expect(try statistics(data, width: 48, .block(256)) == whole)
        #expect(whole.quantiles.count == 40)
    }

    @Test func constantBlocksAreCountedApart() throws {
        var data = vectors(tokens: 4, width: 32, normal)
        data.replaceSubrange(32..<64, with: repeatElement(0.25, count: 32))
        let result = try statistics(data, width: 32, .token)
        #expect(result.blocks == 3 && result.untested == 1)
        let none = try statistics([Float](repeating: 1, count: 64), width: 32, .token)
        #expect(none.rejectionRate == nil && none.meanStatistic == nil && none.quantiles.isEmpty)
    }

    @Test func rowsAreThoseOfTheCachedKeysAndValues() throws {
        let engine = try TinyModel.engine("tied")
        let evaluation = try NormalityEvaluation(context: 100, units: [.token, .block(24)])
        let rows = try evaluation.run(text: PerplexityTests.text, engine: engine)
        #expect(rows.count == 2 * 2 * 2 * 2)
        #expect(rows.map(\.layer) == rows.indices.map { $0 / 8 })
        #expect(rows.allSatisfy { $0.statistics.blocks == ($0.unit == .token ? 100 : 200) })

        // By hand: the keys of layer 1, rotated.
        let tokens = engine.model.tokenizer.encode(PerplexityTests.text, addSpecial: true, parseSpecial: false)
        let sequence = engine.makeSequence()
        try engine.prefill(tokens[..<100], into: sequence)
        var keys: [Float] = []
        var values: [Float] = []
        sequence.decode(layer: 1, tokens: 0..<100, keys: &keys, values: &values)
        let rotation = try HeadRotation(shape: engine.plan.layers[1].keys.shape, instructionSet: .generic)
        keys.withUnsafeMutableBufferPointer { rotation.apply(to: $0.baseAddress!, count: $0.count) }
        let kurtoses = (0..<100).map { SampleMoments(keys[$0 * 48..<($0 + 1) * 48].map(Double.init))!.kurtosis }
        let row = try #require(rows.first { $0.layer == 1 && $0.part == .keys && $0.unit == .token && $0.isRotated })
        // Kernels of different instruction sets round differently.
        #expect(abs(try #require(row.statistics.meanKurtosis) - kurtoses.reduce(0, +) / 100) < 1e-4)
        let plain = try #require(rows.first { $0.layer == 1 && $0.part == .keys && $0.unit == .token && !$0.isRotated })
        #expect(plain.statistics != row.statistics)
    }

    @Test func windowsAndLayersAddUp() throws {
        let engine = try TinyModel.engine("tied")
        let both = try NormalityEvaluation(context: 64, windows: 2, basis: .plain)
            .run(text: PerplexityTests.text, engine: engine)
        #expect(both.allSatisfy { $0.statistics.blocks == 128 && !$0.isRotated })
        let first = try NormalityEvaluation(context: 64, windows: 1, basis: .plain)
            .run(text: PerplexityTests.text, engine: engine)
        #expect(first.map(\.statistics.blocks) == [64, 64, 64, 64])
        let all = NormalityRow.overLayers(both)
        #expect(all.map(\.part) == [.keys, .values] && all.allSatisfy { $0.layer == nil })
        #expect(all.map(\.statistics.blocks) == [256, 256])
        #expect(all[0].statistics.rejected == both[0].statistics.rejected + both[2].statistics.rejected)

        let last = try NormalityEvaluation(context: 64, windows: 2, layers: LayerList("-1"), basis: .plain)
            .run(text: PerplexityTests.text, engine: engine)
        #expect(last == Array(both[2...]))
    }

    @Test func resumedRunsGiveTheSame() throws {
        let path = NSTemporaryDirectory() + "kvasir-normality-\(UUID().uuidString).jsonl"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let fingerprint = RunFingerprint(kind: .normality, parts: ["context": "64"])
        let evaluation = try NormalityEvaluation(context: 64, windows: 3, units: [.token, .block(32)])
        let whole = try evaluation.run(text: PerplexityTests.text, engine: TinyModel.engine())
        var done = 0
        #expect(throws: EvaluationCancelled.self) {
            try evaluation.run(
                text: PerplexityTests.text, engine: TinyModel.engine(),
                run: EvaluationRun(
                    journal: RunJournal(path: path, fingerprint: fingerprint), isCancelled: { done == 2 },
                    onProgress: { done = $0.finished }))
        }
        var resumed = 0
        let rest = try evaluation.run(
            text: PerplexityTests.text, engine: TinyModel.engine(),
            run: EvaluationRun(
                journal: RunJournal(path: path, fingerprint: fingerprint), onProgress: { resumed = $0.resumed }))
        #expect(resumed == 2)
        #expect(rest == whole)
    }

    @Test func theReportHoldsFiniteNumbersAndReadsBack() throws {
        // 16 values of a head are too few to test: rates are missing, not zero.
        let rows = try NormalityEvaluation(context: 32, units: [.token, .block(32)])
            .run(text: PerplexityTests.text, engine: TinyModel.engine("quantized"))
        let report = NormalityReport(rows)
        let again = try ResultCoding.decode(NormalityReport.self, from: ResultCoding.encode(report), name: "report")
        #expect(again == report)
        #expect(report.allLayers.allSatisfy { $0.layer == nil && $0.blocks == 64 && $0.qq.count == 32 })
    }

    @Test func whatCannotBeTestedIsRefused() throws {
        for text in ["block", "", "19", "0", "-64", "6.4", "Token"] {
            let error = #expect(throws: EvaluationError.self) { try NormalityUnit(parsing: text) }
            #expect(error?.description.contains("'\(text)'") == true)
        }
        #expect(try NormalityUnit(parsing: "token") == .token && NormalityUnit(parsing: "20") == .block(20))
        #expect(throws: EvaluationError.self) { try NormalityEvaluation(context: 3) }
        #expect(throws: EvaluationError.self) { try NormalityEvaluation(context: 64, windows: 0) }
        #expect(throws: EvaluationError.self) { try NormalityEvaluation(context: 64, units: []) }

        let engine = try TinyModel.engine(contextLength: 64)
        let unknown = #expect(throws: CacheError.self) {
            try NormalityEvaluation(context: 64, layers: LayerList("0,2")).run(
                text: PerplexityTests.text, engine: engine)
        }
        #expect(unknown?.description.contains("layers 0 to 1") == true)
        #expect(LayerList("a-b") == nil)
        #expect(throws: EvaluationError.self) {
            try NormalityEvaluation(context: 65).run(text: PerplexityTests.text, engine: engine)
        }
        #expect(throws: EvaluationError.self) {
            try NormalityEvaluation(context: 64).run(text: [], engine: engine)
        }
    }
}

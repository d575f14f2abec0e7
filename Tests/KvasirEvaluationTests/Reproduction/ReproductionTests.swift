import Foundation
import KvasirCache
import KvasirEngine
import Testing

@testable import KvasirEvaluation

struct ReproductionTests {
    @Test func publishedTablesAreConsistent() {
        for row in PublishedNQKV.accuracies {
            #expect(Set(row.tasks.keys) == Set(PublishedNQKV.tasks))
            // As printed, rounded or cut to two decimals.
            let mean = row.tasks.values.reduce(0, +) / Double(row.tasks.count)
            #expect(abs(mean - row.average) < 0.015, "\(row.model)")
        }
        for row in PublishedNQKV.serving {
            #expect(row.speeds.count == 3 && row.peaks.count == 3)
            #expect((row.speeds[1] == nil) == (row.peaks[1] == nil))
            // The headline of the paper against no cache, and what its own table says against f16.
            #expect((row.speeds[2] ?? 0) > 2 * (row.speeds[0] ?? 0))
            if let plain = row.speeds[1] { #expect((row.speeds[2] ?? 0) < plain) }
        }
        let best = PublishedNQKV.serving.compactMap { row in row.speeds[2].flatMap { s in row.speeds[0].map { s / $0 } }
        }
        #expect(abs((best.max() ?? 0) - 9.3) < 0.05)
    }

    @Test func sharesFollowFromSizes() throws {
        let engines = try ["f16", "nf4/b32"].map { try TinyModel.engine(cache: $0) }
        let shares = CacheShare.table(
            plans: engines.map(\.plan), weightBytes: 1_000_000, batches: [1, 8], lengths: [64, 256])
        #expect(shares.count == 8)
        // Two layers, keys and values, 48 values of 2 bytes.
        #expect(shares[0].cacheBytes == 64 * 2 * 2 * 48 * 2)
        #expect(shares[3].cacheBytes == 8 * 256 * 2 * 2 * 48 * 2)
        for share in shares {
            #expect(abs(share.share - Double(share.cacheBytes) / Double(share.cacheBytes + 1_000_000)) < 1e-15)
        }
        #expect(shares[7].cacheBytes < shares[3].cacheBytes)
    }

    @Test func histogramsCountEveryValue() throws {
        let vector = (0..<200).map { Double($0 % 50) }
        let histogram = try #require(ValueHistogram(vector, layer: 3, part: .values))
        #expect(histogram.values == 200 && histogram.counts.reduce(0, +) == 200)
        #expect(histogram.minimum == 0 && histogram.maximum == 49 && histogram.mean == 24.5)
        #expect(histogram.counts.first == 8 && histogram.counts.last == 8)
        #expect(ValueHistogram([2, 2, 2], layer: 0, part: .keys) == nil)
    }

    @Test func theSampleHasThePapersNumberOfBlocks() throws {
        let sample = try SingleTokenSample(text: PerplexityTests.text, engine: TinyModel.engine(), blockSize: 24)
        // Two blocks of a token's 48 values.
        #expect(sample.tokens == 8 && sample.blockLength == 24 && sample.layer == 1)
        #expect(sample.keyProbabilities.count == 16 && sample.valueProbabilities.count == 16)
        #expect(sample.keyProbabilities.allSatisfy { (0...1).contains($0) })
        #expect(sample.histograms.map(\.layer) == [0, 0, 1, 1] && sample.histograms.allSatisfy { $0.values == 48 })
        // A block larger than a token is the token.
        #expect(
            try SingleTokenSample(text: PerplexityTests.text, engine: TinyModel.engine(), blockSize: 256).tokens == 16)
        #expect(throws: EvaluationError.self) {
            try SingleTokenSample(text: PerplexityTests.text, engine: TinyModel.engine(), blockSize: 16)
        }
        #expect(throws: EvaluationError.self) {
            try SingleTokenSample(text: [], engine: TinyModel.engine(), blockSize: 24)
        }
    }

    @Test func batchesAreTimedInEveryMode() throws {
        let engines = try ["f16", "nf4/b32"].map { try TinyModel.engine(cache: $0) }
        let benchmark = try ServingBenchmark(batches: [2, 3], lengths: [20], tokens: 5)
        let text = PerplexityTests.text
        var units: [Int] = []
        let results = try benchmark.run(
            text: text, engines: engines, recomputing: engines[0],
            run: EvaluationRun(onProgress: { units.append($0.total) }))
        #expect(units == [6, 6, 6, 6, 6, 6])
        #expect(results.map(\.cache) == [nil, "f16", "nf4/b32", nil, "f16", "nf4/b32"])
        #expect(results.map(\.batch) == [2, 2, 2, 3, 3, 3])
        for result in results {
            #expect(result.length == 20 && result.tokens == 5 && result.seconds > 0)
            #expect(abs(result.tokensPerSecond - Double(result.batch * 5) / result.seconds) < 1e-9)
        }
        // One sequence's page without a cache, a page for each sequence with one.
        #expect(results[0].cacheBytes == engines[0].plan.bytes(forTokens: 64))
        #expect(results[4].cacheBytes == 3 * engines[0].plan.bytes(forTokens: 64))
        #expect(results[5].cacheBytes == 3 * engines[1].plan.bytes(forTokens: 64))
        #expect(engines.allSatisfy { $0.pool.bytesInUse == 0 })
        let cell = ThroughputReport.Cell(results[0])
        #expect(cell.cache == "no cache" && cell.tokens == 20 && cell.sequences == 2)
    }

    @Test func whatCannotBeTimedIsRefused() throws {
        for (batches, lengths, tokens) in [
            ([], [1], 1), ([1], [], 1), ([0], [1], 1), ([1025], [1], 1), ([1], [0], 1), ([1], [1], 0),
        ] as [([Int], [Int], Int)] {
            #expect(throws: EvaluationError.self) {
                try ServingBenchmark(batches: batches, lengths: lengths, tokens: tokens)
            }
        }
        let engine = try TinyModel.engine(contextLength: 64)
        let text = PerplexityTests.text
        let long = #expect(throws: EvaluationError.self) {
            try ServingBenchmark(batches: [1], lengths: [60], tokens: 5).run(
                text: text, engines: [engine], recomputing: engine)
        }
        #expect(long?.description.contains("context holds 64") == true)
        #expect(throws: EvaluationError.self) {
            try ServingBenchmark(batches: [100], lengths: [20], tokens: 5).run(
                text: text, engines: [engine], recomputing: engine)
        }
    }
}

struct NQKVFindingTests {
    private func share(_ cache: String, _ bytes: Int) throws -> CacheShare {
        // A share of known size: decoded, since it is made from plans otherwise.
        let json = """
            {"cache":"\(cache)","batch":1,"length":64,"weightBytes":100,"cacheBytes":\(bytes),
            "share":\(Double(bytes) / Double(bytes + 100))}
            """
        return try JSONDecoder().decode(CacheShare.self, from: Data(json.utf8))
    }

    private func result(_ cache: String?, _ seconds: Double, peak: Int) -> ServingResult {
        ServingResult(
            mode: cache == nil ? .recomputed : .cached, cache: cache, batch: 8, length: 128, tokens: 10,
            seconds: seconds, cacheBytes: 1, peak: PeakMemory(bytes: peak, isOfMeasurementAlone: true))
    }

    @Test func memoryAgreesIfTheCacheGrowsAndFourBitsAreAQuarter() throws {
        let agrees = try NQKVFinding.memory(
            [share("f16", 40), share("f16", 400), share("nf4", 10), share("nf4", 100)], cache: "nf4")
        #expect(agrees.verdict == .agrees && agrees.sentence.contains("4.00 times less"))
        let small = try NQKVFinding.memory(
            [share("f16", 10), share("f16", 40), share("nf4", 2), share("nf4", 10)], cache: "nf4")
        #expect(small.verdict == .agreesInPart)
        #expect(NQKVFinding.memory([], cache: "nf4").verdict == .notMeasured)
    }

    @Test func throughputIsComparedWithBothBaselines() {
        let slower = [result(nil, 10, peak: 5), result("f16", 1, peak: 9), result("nf4", 1.25, peak: 6)]
        let agrees = NQKVFinding.serving(slower, cache: "nf4")
        #expect(agrees.verdict == .agrees)
        #expect(agrees.ours == "nf4 8.0 times no cache, 0.80 times f16")
        #expect(agrees.published == "NQKV 2.6 to 9.3 times no cache, 0.83 to 0.96 times f16")
        let faster = [result(nil, 10, peak: 5), result("f16", 2, peak: 9), result("nf4", 1, peak: 6)]
        #expect(NQKVFinding.serving(faster, cache: "nf4").verdict == .agreesInPart)
        #expect(NQKVFinding.serving(faster, cache: "nf4").sentence.contains("faster here"))
        let useless = [result(nil, 1, peak: 5), result("f16", 2, peak: 9), result("nf4", 2, peak: 6)]
        #expect(NQKVFinding.serving(useless, cache: "nf4").verdict == .differs)
        #expect(NQKVFinding.serving(faster, cache: "nf3").verdict == .notMeasured)
        #expect(NQKVFinding.peaks(slower, cache: "nf4").verdict == .agrees)
        #expect(NQKVFinding.peaks(slower, cache: "nf4").ours.hasPrefix("nf4 0.67 times"))
    }

    @Test func accuracyIsComparedWithTheWorstModel() {
        func finding(_ change: Double, _ error: Double) -> NQKVFinding.Verdict {
            NQKVFinding.accuracy(
                [
                    NQKVAccuracy(
                        cache: "nf4", tasks: ["piqa": 0.6], average: 0.6, difference: change, differenceError: error)
                ],
                cache: "nf4"
            ).verdict
        }
        #expect(finding(-0.002, 0.003) == .agrees)
        #expect(finding(-0.008, 0.003) == .agreesInPart)
        #expect(finding(-0.02, 0.003) == .differs)
        #expect(NQKVFinding.accuracy([], cache: "nf4").verdict == .notMeasured)
    }
}

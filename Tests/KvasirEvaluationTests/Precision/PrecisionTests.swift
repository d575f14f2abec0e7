import Foundation
import KvasirCache
import KvasirEngine
import KvasirNumerics
import Testing

@testable import KvasirEvaluation

@Suite struct PrecisionTests {
    @Test func entriesAreCountedByRelativeError() {
        var row = PrecisionRow(method: "x", part: .scores)
        // The same 16-bit float, then just below each bound, then far off.
        for (actual, reference): (Float, Float) in [
            (1.00001, 1), (1.00098, 1.0003), (1.0018, 1), (1.0035, 1), (1.0075, 1), (1.1, 1), (1, 0),
        ] {
            row.add(actual, reference: reference)
        }
        #expect(row.counts == [1, 1, 1, 1, 1, 2])
        #expect(abs(row.shares.reduce(0, +) - 1) < 1e-12)
    }

    @Test func rowsOfOneMethodAddUp() {
        var first = PrecisionRow(method: "a", part: .scores)
        first.add(1, reference: 1)
        (first.valuesRead, first.bitsRead) = (10, 120)
        var rows = [first]
        rows.add([first, PrecisionRow(method: "a", part: .outputs)])
        #expect(rows.map(\.part) == [.scores, .outputs])
        #expect(rows[0].counts[0] == 2)
        #expect(rows[0].bitsPerValue == 12)
    }

    @Test func theReferenceDoesNotDifferFromItselfAndFewerBitsDifferMore() throws {
        let engine = try TinyModel.engine(cache: "f16")
        func rows(_ cache: String) throws -> [PrecisionRow] {
            let plan = try TinyModel.engine(cache: cache).plan
            return try PrecisionEvaluation(context: 96, windows: 1, queries: 8).run(
                text: PerplexityTests.text, engine: engine, plans: [plan], instructionSet: .best)
        }
        for row in try rows("f16") where row.method == "f16" {
            #expect(row.counts.dropFirst().allSatisfy { $0 == 0 })
            #expect(row.counts[0] > 0)
            #expect(row.bitsPerValue == 16)
        }
        let aligned = try rows("aligned")
        for part in PrecisionPart.allCases {
            let own = try #require(aligned.first { $0.part == part && $0.method == "aligned/t4-8" })
            #expect(own.bitsPerValue > 8)
            let cut = aligned.filter { $0.part == part && $0.method.hasPrefix("f16 cut") }
            #expect(cut.map(\.bitsPerValue) == PrecisionEvaluation.cuts.map(Double.init))
            // The more bits, the more entries are the same.
            #expect(cut.map(\.counts[0]) == cut.map(\.counts[0]).sorted())
            // The weights of random tokens are alike, so that their values are read whole.
            #expect(own.bitsPerValue < 16 || part == .outputs)
            #expect(cut.allSatisfy { $0.counts.reduce(0, +) == own.counts.reduce(0, +) })
        }
        let coarse = try rows("nf2")
        let finer = try rows("q8_0")
        for part in PrecisionPart.allCases {
            func above(_ rows: [PrecisionRow]) throws -> Double {
                try #require(rows.first { $0.part == part }?.shares.last)
            }
            #expect(try above(coarse) > above(finer))
        }
    }

    @Test func cachesThatCannotBeComparedAreRefused() throws {
        let engine = try TinyModel.engine(cache: "f16")
        let plan = try TinyModel.engine(cache: "kivi2").plan
        #expect(throws: EvaluationError.self) {
            try PrecisionEvaluation(context: 96, windows: 1, queries: 8).run(
                text: PerplexityTests.text, engine: engine, plans: [plan], instructionSet: .best)
        }
        #expect(throws: EvaluationError.self) { try PrecisionEvaluation(context: 96, queries: 97) }
    }
}

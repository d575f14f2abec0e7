import KernelBenchmarks
import KvasirCodecs
import KvasirNumerics
import Testing

@Suite("Kernel benchmarks", .serialized)
struct KernelBenchmarksTests {
    private let shape = CacheShape(heads: HeadShape(kvHeads: 2, headSize: 64), group: 2, tokens: 576, layers: 2)
    private let sampler = Sampler(seconds: 0.001)

    @Test("Every registered codec is timed on every instruction set, and no faster than its limit permits")
    func everyCodec() throws {
        let threads = try ThreadPool(threadCount: 1)
        let machine = MachineLimits(threads: threads, sampler: sampler)
        for codec in CodecRegistry.families.flatMap(\.members) {
            for instructionSet in InstructionSet.supported {
                let benchmark = CodecBenchmark(
                    codec: codec, instructionSet: instructionSet, shape: shape, machine: machine, threads: threads,
                    sampler: sampler)
                let results = try benchmark.score(tiles: [1, 4]) + benchmark.mix(tiles: [1, 4]) + benchmark.encode()
                #expect(
                    results.map(\.kernel) == ["score", "score", "mix", "mix", "encode keys", "encode values"])
                #expect(results.map(\.rows) == [2, 8, 2, 8, 1, 1])
                for result in results {
                    #expect(result.format == codec.name && result.instructionSet == instructionSet.rawValue)
                    expectPlausible(result)
                }
            }
        }
    }

    @Test("Every weight format is timed", arguments: LinearFormat.allCases)
    func everyFormat(format: LinearFormat) throws {
        let threads = try ThreadPool(threadCount: 1)
        let machine = MachineLimits(threads: threads, sampler: sampler)
        for instructionSet in InstructionSet.supported {
            let benchmark = LinearBenchmark(
                format: format, instructionSet: instructionSet,
                shape: LinearShape(rows: 40, columns: 512, footprint: 1 << 18), machine: machine, threads: threads,
                sampler: sampler)
            let results = try #require(benchmark.multiply(batches: [1, 3]))
            #expect(results.map(\.rows) == [1, 3])
            for result in results { expectPlausible(result) }
        }
    }

    @Test("A shape that a block format does not take is left out")
    func shapeThatDoesNotFit() throws {
        let threads = try ThreadPool(threadCount: 1)
        let benchmark = LinearBenchmark(
            format: .q4_K, instructionSet: .generic, shape: LinearShape(rows: 16, columns: 96, footprint: 1),
            machine: MachineLimits(threads: threads, sampler: sampler), threads: threads, sampler: sampler)
        #expect(benchmark.multiply(batches: [1]) == nil)
    }

    @Test("A limit never falls when measured again, and vectors beat plain loops")
    func limits() throws {
        let threads = try ThreadPool(threadCount: 1)
        let machine = MachineLimits(threads: threads, sampler: sampler)
        for instructionSet in InstructionSet.supported {
            #expect(machine.multiplyAdds(instructionSet) > 1e8)
            #expect(machine.dotProducts(instructionSet) > 1e8)
            let first = machine.multiplyAdds(instructionSet)
            #expect(machine.multiplyAdds(instructionSet) >= first)
        }
        #expect(machine.readBandwidth(size: 1 << 16) > 1e8)
        #expect(machine.writeBandwidth(size: 1 << 16) > 1e8)
        if InstructionSet.best != .generic {
            #expect(machine.dotProducts(.best) > machine.dotProducts(.generic))
        }
    }

    @Test(
        "Numbers are printed with the digits asked for",
        arguments: [(0.04, 1, "0.0"), (12.345, 2, "12.35"), (-0.5, 1, "-0.5")])
    func digits(number: Double, places: Int, expected: String) {
        #expect(number.rounded(toPlaces: places) == expected)
    }

    /// A figure beyond its limit would mean that one of the two is not what it says; the margin is for noise.
    private func expectPlausible(_ result: KernelResult, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(result.valuesPerSecond > 0 && result.bytesPerSecond > 0, sourceLocation: sourceLocation)
        #expect(result.share > 0 && result.share < 1.5, "\(result.line)", sourceLocation: sourceLocation)
        #expect(result.bestShare >= result.share, sourceLocation: sourceLocation)
    }
}

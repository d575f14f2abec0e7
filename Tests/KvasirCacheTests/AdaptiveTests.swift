import KvasirCodecs
import KvasirNumerics
import Testing

@testable import KvasirCache

/// Bits that follow attention: decided at the ends of pages, freed in the pool, the same however a prompt was cut.
@Suite struct AdaptiveTests {
    static let shape = KvasirCacheTests.shape(layers: 2, kvHeads: 2, headSize: 32, group: 2)
    static let texts = [
        "qaq/min0/max5/ek2/ev0.02", "qaq/min1/max4/n9/layer/ev0.05/code", "K=f16,V=qaq/min0/max6/n1/ev0.01",
        "qaq/min0/max5/ev0.02/spill", "qaq/min0/max5/ev0.02/layer/full; recent=20; sinks=4",
        "qaq/min0/max5/ek1/ev0.02/rot; layers 0=f16; recent=V:70",
    ]

    /// Everything a sequence holds: decoded tokens, bits, bytes.
    private func contents(_ sequence: CacheSequence) -> [[Float]] {
        var all: [[Float]] = []
        for layer in sequence.plan.layers.indices {
            var keys: [Float] = []
            var values: [Float] = []
            sequence.decode(layer: layer, tokens: 0..<sequence.count, keys: &keys, values: &values)
            all += [keys, values]
        }
        return all
    }

    @Test(arguments: texts, InstructionSet.supported)
    func anyChunkingGivesTheSameOutputsAndBits(configuration: String, instructionSet: InstructionSet) throws {
        let total = 540
        let stream = TokenStream(shape: Self.shape, tokens: total, seed: 17)
        func run(_ chunks: [Int], threads: Int) throws -> ([[Float]], CacheSequence, CacheFixture) {
            let fixture = try CacheFixture(
                configuration, shape: Self.shape, instructionSet: instructionSet, threads: threads)
            let sequence = fixture.sequence()
            return (try fixture.run(stream, chunks: chunks, into: sequence), sequence, fixture)
        }
        let reference = try run([Int](repeating: 1, count: total), threads: 1)
        let bits = reference.1.adaptiveBits
        #expect(bits.contains { $0.lowered > 0 })
        #expect(bits.contains { $0.histogram.count { $0 > 0 } > 1 }, "tokens have different numbers of bits")
        var generator = PlainGenerator(seed: 23)
        let cuts = [
            [total], [Int](repeating: 7, count: 77) + [1], [Int](repeating: 64, count: 8) + [28],
            [1, 63, 64, 65, 1, 318, 1, total - 513], randomChunks(total, &generator),
        ]
        for (index, cut) in cuts.prefix(instructionSet == .generic ? 2 : cuts.count).enumerated() {
            let threads = index == 1 ? 1 : ThreadPool.defaultThreadCount
            let result = try run(cut, threads: threads)
            #expect(identical(result.0, reference.0), "\(cut), \(threads) threads")
            #expect(identical(contents(result.1), contents(reference.1)), "\(cut), \(threads) threads")
            #expect(result.1.adaptiveBits.map(\.histogram) == bits.map(\.histogram))
            #expect(result.1.adaptiveBits.map(\.lowered) == bits.map(\.lowered))
            #expect(result.1.adaptiveBits.map(\.raised) == bits.map(\.raised))
            #expect(result.1.bytes == reference.1.bytes)
            #expect(result.2.pool.bytesInUse == result.1.bytes)
        }
    }

    @Test(arguments: texts)
    func sequencesDoNotSeeEachOther(configuration: String) throws {
        let lengths = [330, 130, 5, 64]
        let streams = lengths.enumerated().map { TokenStream(shape: Self.shape, tokens: $1, seed: UInt64($0) + 40) }
        let alone = try CacheFixture(configuration, shape: Self.shape)
        let expected = try streams.map { stream in
            try alone.run(stream, chunks: [Int](repeating: 1, count: stream.tokens), into: alone.sequence())
        }
        let fixture = try CacheFixture(configuration, shape: Self.shape, threads: 2)
        let sequences = lengths.map { _ in fixture.sequence() }
        var outputs = lengths.map { _ in [[Float]](repeating: [], count: Self.shape.layers) }
        var generator = PlainGenerator(seed: 5)
        while zip(sequences, lengths).contains(where: { $0.count < $1 }) {
            let parts = zip(sequences, streams).enumerated().compactMap { index, pair in
                let left = lengths[index] - pair.0.count
                let tokens = min(left, [0, 1, 1, 33, 150][generator.index(5)])
                return tokens == 0 ? nil : (index: index, sequence: pair.0, stream: pair.1, tokens: tokens)
            }
            let results = try fixture.step(parts.map { ($0.sequence, $0.stream, $0.tokens) })
            for (part, result) in zip(parts, results) {
                for layer in 0..<Self.shape.layers { outputs[part.index][layer] += result[layer] }
            }
        }
        for index in lengths.indices { #expect(identical(outputs[index], expected[index]), "sequence \(index)") }
    }

    @Test(arguments: texts)
    func aCutSequenceGoesOnLikeAFreshOne(configuration: String) throws {
        let total = 300
        let stream = TokenStream(shape: Self.shape, tokens: total, seed: 71)
        let other = TokenStream(shape: Self.shape, tokens: total, seed: 72)
        let fixture = try CacheFixture(configuration, shape: Self.shape)
        let fresh = fixture.sequence()
        let expected = try fixture.run(stream, chunks: [total], into: fresh)
        for (length, cut) in [(150, 130), (191, 190), (192, 191), (200, 192), (255, 254), (100, 60), (254, 200)] {
            let sequence = fixture.sequence()
            _ = try fixture.run(stream, chunks: [cut], into: sequence)
            _ = try fixture.step([(sequence, other, length - cut)])
            let kept = sequence.truncate(to: cut)
            #expect(kept <= cut && kept == sequence.count)
            let decided = length / 64 * 64
            #expect(cut >= decided || kept == 0, "\(length) to \(cut) keeps \(kept)")
            let rest = try fixture.run(stream, chunks: [total - kept], into: sequence)
            for (output, whole) in zip(rest, expected) {
                #expect(identical(output, Array(whole.suffix(output.count))), "\(length) to \(cut), from \(kept)")
            }
            #expect(identical(contents(sequence), contents(fresh)))
        }
    }

    @Test func droppedPlanesGoBackToThePool() throws {
        let stream = TokenStream(shape: Self.shape, tokens: 640, seed: 5)
        let fixture = try CacheFixture("qaq/min0/max8/ek5/ev1", shape: Self.shape)
        let sequence = fixture.sequence()
        _ = try fixture.run(stream, chunks: [Int](repeating: 64, count: 10), into: sequence)
        let bound = fixture.plan.bytes(forTokens: 640)
        #expect(sequence.bytes < bound * 2 / 3)
        #expect(fixture.pool.bytesInUse == sequence.bytes)
        #expect(fixture.pool.peakBytes <= fixture.plan.peakBytes(forTokens: 640, inStepsOf: 64))
        #expect(fixture.pool.peakBytes >= sequence.bytes)
        #expect(sequence.footprint.total == sequence.bytes)
        // The extents are as long as the bits in them.
        let bits = sequence.adaptiveBits
        let planes = bits.reduce(0) { sum, part in
            sum + part.histogram.enumerated().reduce(0) { $0 + $1.offset * $1.element } * part.part.unitSize / 8
        }
        #expect(sequence.footprint.keyCodes + sequence.footprint.valueCodes == planes)
        _ = sequence.truncate(to: 0)
        #expect(fixture.pool.bytesInUse == 0)
    }

    @Test func aBudgetThatIsTooSmallLosesNothing() throws {
        let stream = TokenStream(shape: Self.shape, tokens: 640, seed: 5)
        let roomy = try CacheFixture("qaq/min2/max8", shape: Self.shape)
        let budget = roomy.plan.pageBytes * 2
        #expect(roomy.plan.tokens(inBytes: budget) == 128)
        let fixture = try CacheFixture("qaq/min2/max8", shape: Self.shape, budget: budget)
        let sequence = fixture.sequence()
        var stored = 0
        var outputs: [[Float]] = [[], []]
        let error = #expect(throws: CacheError.self) {
            while true {
                let result = try fixture.step([(sequence, stream, 1)])[0]
                for layer in outputs.indices { outputs[layer] += result[layer] }
                stored += 1
            }
        }
        #expect(error?.reason == .overBudget)
        #expect(stored >= 128, "dropped planes make room for tokens beyond the bound")
        #expect(sequence.count == stored && fixture.pool.bytesInUse <= budget)
        let expected = try roomy.run(stream, chunks: [stored], into: roomy.sequence())
        #expect(identical(outputs, expected))
    }

    @Test(arguments: ["spill", "full"])
    func bitsRiseAgainExactly(mode: String) throws {
        // Tokens that nobody attends to for two pages, and then one query to all of them.
        let shape = KvasirCacheTests.shape(kvHeads: 1, headSize: 32, group: 1)
        var stream = TokenStream(shape: shape, tokens: 256, seed: 11)
        for token in 0..<256 {
            for channel in 0..<32 {
                stream.keys[token * 32 + channel] = token < 64 ? 8 : 0
                stream.queries[token * 32 + channel] = token >= 180 ? 4 : -4
            }
        }
        let text = "qaq/min0/max6/ev0.001/\(mode)"
        let fixture = try CacheFixture(text, shape: shape)
        let sequence = fixture.sequence()
        _ = try fixture.run(stream, chunks: [128], into: sequence)
        let low = try #require(sequence.adaptiveBits.last)
        _ = try fixture.run(stream, chunks: [128], into: sequence)
        let high = try #require(sequence.adaptiveBits.last)
        #expect(low.lowered > 0 && low.raised == 0 && high.raised >= 60)
        // The first tokens are as they were stored.
        var values: [Float] = []
        var keys: [Float] = []
        sequence.decode(layer: 0, tokens: 0..<50, keys: &keys, values: &values)
        let plain = try CacheFixture("qaq/min6/max6/\(mode)", shape: shape)
        let undecided = plain.sequence()
        _ = try plain.run(stream, chunks: [64], into: undecided)
        var expected: [Float] = []
        undecided.decode(layer: 0, tokens: 0..<50, keys: &keys, values: &expected)
        #expect(values == expected)
        #expect(fixture.pool.bytesInUse == sequence.bytes)
        #expect((sequence.spilledBytes > 0) == (mode == "spill"))
        if mode == "full" { #expect(sequence.footprint.window == 256 * 32 * 2 * 2) }
        // In the mode without a way back they stay.
        let monotone = try CacheFixture("qaq/min0/max6/ev0.001", shape: shape)
        let falling = monotone.sequence()
        _ = try monotone.run(stream, chunks: [256], into: falling)
        #expect(falling.adaptiveBits.allSatisfy { $0.raised == 0 })
    }

    @Test(arguments: ["spill", "full"], [false, true])
    func bitsThatCannotRiseHoldTheNextStepUp(mode: String, isSealed: Bool) throws {
        let shape = KvasirCacheTests.shape(kvHeads: 1, headSize: 32, group: 1)
        var stream = TokenStream(shape: shape, tokens: 256, seed: 11)
        for token in 0..<256 {
            for channel in 0..<32 {
                stream.keys[token * 32 + channel] = token < 64 ? 8 : 0
                stream.queries[token * 32 + channel] = token >= 180 ? 4 : -4
            }
        }
        let text = "qaq/min0/max6/ev0.001/\(mode)"
        let free = try CacheFixture(text, shape: shape)
        let expected = free.sequence()
        var outputs = try free.run(stream, chunks: [64, 64, 63], into: expected)
        let budget = free.pool.bytesInUse + 2 * free.plan.pageBytes
        outputs[0] += try free.run(stream, chunks: [65], into: expected)[0]

        let fixture = try CacheFixture(text, shape: shape, budget: budget)
        let (sequence, neighbour) = (fixture.sequence(), fixture.sequence())
        var actual = try fixture.run(stream, chunks: [64, 64, 63], into: sequence)
        try fixture.append(128, of: stream, to: neighbour)
        #expect(fixture.pool.bytesInUse == budget)
        // The token that fills the page needs no room of its own, the bits that it raises do.
        actual[0] += try fixture.run(stream, chunks: [1], into: sequence)[0]
        let error = #expect(throws: CacheError.self) { try sequence.reserve(1) }
        #expect(error?.reason == .overBudget && sequence.count == 192 && fixture.pool.bytesInUse <= budget)
        // Pages that are sealed meanwhile stay without.
        let pages = isSealed ? (0..<3).map(sequence.sealedPage) : []
        let before = contents(sequence)
        _ = neighbour.truncate(to: 0)
        actual[0] += try fixture.run(stream, chunks: [64], into: sequence)[0]
        if !isSealed { #expect(identical(actual, outputs)) }
        #expect(identical(contents(sequence), contents(expected)) == pages.isEmpty)
        if isSealed { #expect(identical(before, contents(sequence).map { Array($0.prefix(192 * 32)) })) }
        #expect(fixture.pool.bytesInUse == sequence.bytes)
    }

    @Test func aFileThatCannotBeMadeIsAnError() throws {
        let error = #expect(throws: CacheError.self) { try SpillFile(slotBytes: 4096, in: "/no/such/folder") }
        #expect(error?.reason == .spillFailed)
        #expect(error?.description.contains("TMPDIR") == true)
        let file = try SpillFile(slotBytes: 3_000_000)
        try file.reserve(pages: 3)
        for page in 0..<3 { file.slot(page: page).storeBytes(of: UInt8(page + 1), as: UInt8.self) }
        #expect((0..<3).allSatisfy { file.slot(page: $0).load(as: UInt8.self) == UInt8($0 + 1) })
        #expect(file.bytes >= 9_000_000)
    }

    /// Pages of one sequence in another keep the bits that the attention of the first gave them, in every mode.
    @Test(arguments: AdaptiveMode.allCases, InstructionSet.supported)
    func sealedPagesKeepTheirBits(mode: AdaptiveMode, instructionSet: InstructionSet) throws {
        let fixture = try CacheFixture(
            "qaq/min0/max6/ek1/ev0.01/\(mode.rawValue)", shape: Self.shape, instructionSet: instructionSet)
        let stream = TokenStream(shape: Self.shape, tokens: 384, seed: 29)
        var owner: CacheSequence? = fixture.sequence()
        let (adopter, alone) = (fixture.sequence(), fixture.sequence())
        let bits: [[Int]]
        let tokens: [[Float]]
        do {
            let owner = try #require(owner)
            _ = try fixture.run(stream, chunks: [192], into: owner)
            (bits, tokens) = (owner.adaptiveBits.map(\.histogram), contents(owner))
            #expect(bits.allSatisfy { $0.count { $0 > 0 } > 1 }, "tokens have different numbers of bits")
            adopter.adopt((0..<3).map(owner.sealedPage))
        }
        #expect(adopter.count == 192 && adopter.adaptiveBits.map(\.histogram) == bits)
        #expect(identical(contents(adopter), tokens))
        // Counted once, and nothing is kept that could raise the bits.
        #expect(fixture.pool.bytesInUse == adopter.bytes && adopter.footprint.window == 0)
        owner = nil
        #expect(fixture.pool.bytesInUse == adopter.bytes)

        // What comes after them is decided about as ever, they are not: not even in the sequence that goes on with them.
        _ = try fixture.run(stream, chunks: [100, 92], into: adopter)
        _ = try fixture.run(stream, chunks: [384], into: alone)
        func first(_ sequence: CacheSequence) -> [[Float]] {
            var all: [[Float]] = []
            for layer in sequence.plan.layers.indices {
                var keys: [Float] = []
                var values: [Float] = []
                sequence.decode(layer: layer, tokens: 0..<192, keys: &keys, values: &values)
                all += [keys, values]
            }
            return all
        }
        #expect(identical(first(adopter), tokens))
        #expect(!identical(first(alone), tokens), "the attention of later tokens would have changed bits")
        #expect(adopter.adaptiveBits.contains { $0.lowered > 0 })
        #expect(fixture.pool.bytesInUse == adopter.bytes + alone.bytes)

        // A cut behind the last decision goes on; one before it begins anew and leaves the pages to whoever holds them.
        let sealed = adopter.sealedPage(0)
        #expect(adopter.truncate(to: 100) == 0 && adopter.bytes == 0)
        #expect(fixture.pool.bytesInUse == alone.bytes + sealed.bytes(fixture.plan))
    }

    @Test func slidingWindowsAreRefused() throws {
        let shape = CacheShape(
            layers: 2, heads: HeadShape(kvHeads: 1, headSize: 32), queryHeads: 1, windows: [nil, 128])
        let error = #expect(throws: CacheError.self) {
            try CachePlan(CacheConfiguration(parsing: "qaq"), shape: shape, instructionSet: .best)
        }
        #expect(error?.reason == .impossibleLayer)
        #expect(error?.description.contains("layers 1=") == true)
    }
}

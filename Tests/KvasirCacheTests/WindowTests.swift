import KvasirCodecs
import KvasirNumerics
import Testing

@testable import KvasirCache

/// What is kept in f16 follows from positions alone, and its bytes from the length.
@Suite struct WindowTests {
    static let shape = KvasirCacheTests.shape(layers: 2, kvHeads: 2, headSize: 32, group: 2)

    @Test func aQueryReadsTheFirstTheLastAndItsOwnBlockExactly() {
        let window = ExactTokens(sinks: 2, recent: 3)
        #expect((0...9).filter { window.contains($0, at: 9) } == [0, 1, 7, 8, 9])
        #expect((0...2).allSatisfy { window.contains($0, at: 2) })
        let block = ExactTokens(sinks: 0, recent: 0, block: 4)
        #expect((0...9).filter { block.contains($0, at: 9) } == [8, 9])
        #expect((0...8).filter { block.contains($0, at: 8) } == [8])
        #expect((0...7).filter { block.contains($0, at: 7) } == [4, 5, 6, 7])
        let both = ExactTokens(sinks: 1, recent: 3, block: 4)
        #expect((0...8).filter { both.contains($0, at: 8) } == [0, 6, 7, 8])
        // What a query reads never grows at its far end.
        for position in 1..<100 { #expect(both.start(at: position) >= both.start(at: position - 1)) }
    }

    @Test func onlyPagesThatHoldCopiesAreVisited() throws {
        let fixture = try CacheFixture("nf4; sinks=4", shape: Self.shape)
        let sequence = fixture.sequence()
        func visited(_ window: ExactTokens, position: Int, tokens: Int) -> [Int] {
            let tile = AttentionTile(sequence: sequence, firstRow: 0, tokens: tokens, position: position)
            var pages: [Int] = []
            window.forEachPage(in: 0..<position + tokens, tile) { pages.append($0) }
            return pages
        }
        let sinks = ExactTokens(sinks: 4, recent: 0)
        // A tile over the end of a page: its later rows lie in a page that has no copies.
        #expect(visited(sinks, position: 200, tokens: 100) == [0])
        #expect(visited(ExactTokens(sinks: 4, recent: 1), position: 200, tokens: 100) == [0, 192, 256])
        #expect(visited(ExactTokens(sinks: 0, recent: 0), position: 0, tokens: 130) == [])
    }

    @Test(arguments: windowedTexts, InstructionSet.supported)
    func attentionEqualsItsSlowTwin(configuration: String, instructionSet: InstructionSet) throws {
        // Many heads and few: whole rows, and single ranges.
        for (kvHeads, headSize, group) in [(3, 64, 3), (2, 80, 1), (8, 16, 1)] {
            let shape = KvasirCacheTests.shape(kvHeads: kvHeads, headSize: headSize, group: group)
            let fixture = try CacheFixture(configuration, shape: shape, instructionSet: instructionSet, threads: 2)
            let stream = TokenStream(shape: shape, tokens: 700, seed: 4)
            let sequence = fixture.sequence()
            var outputs: [(length: Int, rows: [Float])] = []
            for (length, step) in [(1, 1), (64, 3), (65, 1), (130, 40), (192, 2), (513, 1), (700, 36)] {
                try fixture.append(length - sequence.count - step, of: stream, to: sequence)
                outputs.append((length, try fixture.step([(sequence, stream, step)])[0][0]))
            }
            let twin = PlainAttention(sequence: sequence, stream: stream)
            for (length, rows) in outputs {
                let allowed = attentionBudget(fixture.plan.configuration, instructionSet, length: length)
                let scatter = 1 + 2 / Double(rows.count).squareRoot()
                #expect(twin.error(of: rows, length: length) <= allowed * scatter, "\(shape) length \(length)")
            }
        }
    }

    @Test(arguments: InstructionSet.supported)
    func aWindowOverEverythingIsAFloatCache(instructionSet: InstructionSet) throws {
        let stream = TokenStream(shape: Self.shape, tokens: 600, seed: 6)
        func outputs(_ configuration: String) throws -> [[Float]] {
            let fixture = try CacheFixture(configuration, shape: Self.shape, instructionSet: instructionSet)
            return try fixture.run(stream, chunks: [300, 1, 299], into: fixture.sequence())
        }
        let expected = try outputs("f16")
        #expect(identical(try outputs("nf4; recent=600"), expected))
        #expect(identical(try outputs("nf4; sinks=600"), expected))
        #expect(identical(try outputs("nf4; sinks=100; recent=500"), expected))
        #expect(!identical(try outputs("nf4; sinks=99; recent=500"), expected))
    }

    @Test(arguments: windowedTexts)
    func bytesFollowFromTheLength(configuration: String) throws {
        var generator = PlainGenerator(seed: 8)
        for chunk in [1, 7, 64, 200, 500] {
            let fixture = try CacheFixture(configuration, shape: Self.shape)
            let plan = fixture.plan
            let stream = TokenStream(shape: Self.shape, tokens: 500, seed: 9)
            let sequence = fixture.sequence()
            while sequence.count < 500 {
                try fixture.append(min(500 - sequence.count, 1 + generator.index(chunk)), of: stream, to: sequence)
                let footprint = sequence.footprint
                #expect(footprint.total == fixture.pool.bytesInUse && sequence.bytes == footprint.total)
                #expect(footprint == plan.footprint(forTokens: sequence.count), "\(sequence.count) tokens")
                #expect(footprint.total == plan.bytes(forTokens: sequence.count))
                #expect(footprint.window > 0 && footprint.slack >= 0 && footprint.slack < plan.pageBytes)
                #expect(
                    fixture.pool.peakBytes <= plan.peakBytes(forTokens: sequence.count, inStepsOf: chunk))
            }
        }
    }

    @Test(arguments: windowedTexts)
    func aReservationInStepsHoldsUntilTheEnd(configuration: String) throws {
        for (tokens, step) in [(1000, 64), (1000, 100), (640, 256), (63, 1), (300, 1)] {
            let plan = try CacheFixture(configuration, shape: Self.shape).plan
            let budget = plan.peakBytes(forTokens: tokens, inStepsOf: step)
            let fixture = try CacheFixture(configuration, shape: Self.shape, budget: budget)
            #expect(fixture.pool.tokenCapacity(inStepsOf: step) == PageGeometry.pages(forTokens: tokens) * 64)
            try fixture.pool.checkRoom(forTokens: tokens, inStepsOf: step)
            let stream = TokenStream(shape: Self.shape, tokens: tokens, seed: 10)
            let sequence = fixture.sequence()
            try sequence.reserve(tokens, inStepsOf: step)
            // Somebody else takes what is left.
            let rest = try fixture.pool.pages(packed: (budget - fixture.pool.bytesInUse) / plan.pageBytes, window: 0)
            try withExtendedLifetime(rest) {
                while sequence.count < tokens {
                    try fixture.append(min(step, tokens - sequence.count), of: stream, to: sequence)
                }
            }
            #expect(sequence.bytes == plan.bytes(forTokens: tokens))
        }
    }

    @Test(arguments: windowedTexts)
    func aRefusedReservationLeavesEverythingAsItWas(configuration: String) throws {
        let plan = try CacheFixture(configuration, shape: Self.shape).plan
        let budget = plan.peakBytes(forTokens: 300, inStepsOf: 64)
        let fixture = try CacheFixture(configuration, shape: Self.shape, budget: budget)
        let sequence = fixture.sequence()
        let stream = TokenStream(shape: Self.shape, tokens: 400, seed: 1)
        for _ in 0..<100 { try fixture.append(1, of: stream, to: sequence) }
        let before = sequence.bytes
        #expect(throws: CacheError.self) { try sequence.reserve(10_000) }
        #expect(throws: CacheError.self) { try sequence.reserve(10_000, inStepsOf: 10) }
        #expect(sequence.bytes == before && fixture.pool.bytesInUse == before && sequence.count == 100)
        try fixture.append(1, of: stream, to: sequence)
        try sequence.reserve(64)
        sequence.releaseUnused()
        #expect(sequence.bytes == before && fixture.pool.bytesInUse == before)
    }

    @Test(arguments: windowedTexts)
    func aPageOfTokensCanBeCutOffAnywhere(configuration: String) throws {
        let fixture = try CacheFixture(configuration, shape: Self.shape)
        let stream = TokenStream(shape: Self.shape, tokens: 500, seed: 11)
        for length in [1, 64, 65, 100, 127, 128, 129, 300, 321, 500] {
            for cut in [1, 2, 63, 64] where cut <= length {
                let sequence = fixture.sequence()
                try fixture.append(length, of: stream, to: sequence)
                #expect(sequence.truncate(to: length - cut) == length - cut)
            }
        }
    }

    @Test func aLongCutGoesBackToWhatIsKept() throws {
        let stream = TokenStream(shape: Self.shape, tokens: 500, seed: 12)
        for (configuration, kept) in [
            ("nf4; recent=64", 0), ("nf4; recent=64; sinks=4", 64), ("nf4; recent=64; sinks=65", 128),
            ("nf4; sinks=4", 100), ("nf4; recent=400", 100), ("f16; recent=64", 100),
        ] {
            let fixture = try CacheFixture(configuration, shape: Self.shape)
            let sequence = fixture.sequence()
            try fixture.append(500, of: stream, to: sequence)
            #expect(sequence.truncate(to: 100) == min(kept, 100), "\(configuration)")
            #expect(sequence.bytes == fixture.pool.bytesInUse)
        }
    }
}

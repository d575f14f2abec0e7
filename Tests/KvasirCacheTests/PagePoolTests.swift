import KvasirCodecs
import KvasirNumerics
import Testing

@testable import KvasirCache

@Suite struct PagePoolTests {
    static let shape = KvasirCacheTests.shape(layers: 2, kvHeads: 2, headSize: 64, group: 2)

    @Test func theBudgetIsUsedToTheLastPageAndNotOneFurther() throws {
        let plan = try CacheFixture("nf4", shape: Self.shape).plan
        for slack in [0, 1, plan.pageBytes - 1] {
            let fixture = try CacheFixture("nf4", shape: Self.shape, budget: 3 * plan.pageBytes + slack)
            let first = fixture.sequence()
            let second = fixture.sequence()
            try first.reserve(128)
            try second.reserve(64)
            #expect(fixture.pool.bytesInUse == 3 * plan.pageBytes)
            try first.reserve(128)
            #expect(throws: CacheError.self) { try second.reserve(65) }
            #expect(second.bytes == plan.pageBytes)
            #expect(fixture.pool.bytesInUse == 3 * plan.pageBytes)
        }
    }

    @Test func aRefusalSaysWhatAllOfItWouldTake() throws {
        // 64 tokens x 128 values x 2 bytes, keys and values, 2 layers: 64 KiB a page.
        let fixture = try CacheFixture("f16", shape: Self.shape, budget: 100 * 1024)
        let sequence = fixture.sequence()
        try sequence.reserve(1)
        let error = #expect(throws: CacheError.self) { try sequence.reserve(1000) }
        #expect(error?.reason == .overBudget)
        #expect(
            error?.description
                == "cache of 1.0 MiB: the budget is 100.0 KiB; raise --cache-budget, shorten the context or store fewer "
                + "bits")
    }

    @Test func aRefusedReservationLeavesEverythingAsItWas() throws {
        let fixture = try CacheFixture("nf4/b64", shape: Self.shape, budget: 1 << 20)
        let sequence = fixture.sequence()
        let stream = TokenStream(shape: Self.shape, tokens: 100, seed: 1)
        try fixture.append(70, of: stream, to: sequence)
        let before = sequence.pageContents
        let peak = fixture.pool.peakBytes
        #expect(throws: CacheError.self) { try sequence.reserve(1_000_000) }
        #expect(sequence.count == 70 && sequence.pageContents == before)
        #expect(fixture.pool.bytesInUse == 2 * fixture.plan.pageBytes)
        #expect(fixture.pool.peakBytes == peak)
        try fixture.append(30, of: stream, to: sequence)
        #expect(sequence.count == 100)
    }

    @Test func nothingFitsABudgetBelowAPage() throws {
        let fixture = try CacheFixture("f32", shape: Self.shape, budget: 0)
        #expect(throws: CacheError.self) { try fixture.sequence().reserve(1) }
        try fixture.sequence().reserve(0)
        #expect(fixture.pool.bytesInUse == 0 && fixture.pool.peakBytes == 0)
    }

    @Test func pagesGoBackWithTruncationAndWithTheSequence() throws {
        let fixture = try CacheFixture("f16", shape: Self.shape)
        let page = fixture.plan.pageBytes
        let stream = TokenStream(shape: Self.shape, tokens: 300, seed: 2)
        do {
            let sequence = fixture.sequence()
            #expect(sequence.bytes == 0)
            try fixture.append(300, of: stream, to: sequence)
            #expect(fixture.pool.bytesInUse == 5 * page && sequence.bytes == 5 * page)
            for (length, pages) in [(257, 5), (256, 4), (65, 2), (64, 1), (1, 1), (0, 0)] {
                #expect(sequence.truncate(to: length) == length)
                #expect(sequence.count == length)
                #expect(sequence.bytes == pages * page && fixture.pool.bytesInUse == pages * page)
            }
            try fixture.append(100, of: stream, to: sequence)
            #expect(fixture.pool.bytesInUse == 2 * page)
        }
        #expect(fixture.pool.bytesInUse == 0)
        #expect(fixture.pool.peakBytes == 5 * page)
    }

    @Test func truncationGivesBackWhatWasReservedAhead() throws {
        let fixture = try CacheFixture("nf4", shape: Self.shape)
        let sequence = fixture.sequence()
        try sequence.reserve(500)
        #expect(sequence.bytes == 8 * fixture.plan.pageBytes)
        #expect(sequence.footprint.slack == sequence.bytes)
        #expect(sequence.truncate(to: 0) == 0)
        #expect(fixture.pool.bytesInUse == 0)
    }

    @Test func thePeakIsThatOfAllSequencesTogether() throws {
        let fixture = try CacheFixture("nf4", shape: Self.shape)
        for round in 1...3 {
            let sequences = (0..<round).map { _ in fixture.sequence() }
            for sequence in sequences { try sequence.reserve(64) }
            withExtendedLifetime(sequences) {
                #expect(fixture.pool.bytesInUse == round * fixture.plan.pageBytes)
            }
        }
        #expect(fixture.pool.bytesInUse == 0)
        #expect(fixture.pool.peakBytes == 3 * fixture.plan.pageBytes)
    }

    @Test func aNewPageHoldsZeros() throws {
        let fixture = try CacheFixture("nf4", shape: Self.shape)
        let stream = TokenStream(shape: Self.shape, tokens: 64, seed: 3)
        for _ in 0..<4 {
            let sequence = fixture.sequence()
            try sequence.reserve(64)
            #expect(sequence.pageContents.allSatisfy { $0.allSatisfy { $0 == 0 } })
            try fixture.append(64, of: stream, to: sequence)
        }
    }
}

@Suite struct FootprintTests {
    static let shapes = [
        shape(layers: 3, kvHeads: 2, headSize: 64, group: 2), shape(layers: 1, kvHeads: 3, headSize: 80, group: 1),
        shape(layers: 2, kvHeads: 1, headSize: 16, group: 4),
    ]

    @Test(arguments: configurationTexts)
    func itsPartsAreAllBytesOfTheSequence(configuration: String) throws {
        for shape in Self.shapes {
            let fixture = try CacheFixture(configuration, shape: shape)
            let stream = TokenStream(shape: shape, tokens: 200, seed: 1)
            let sequence = fixture.sequence()
            for length in [0, 1, 63, 64, 65, 128, 200] {
                try fixture.append(length - sequence.count, of: stream, to: sequence)
                let footprint = sequence.footprint
                let parts =
                    footprint.keyCodes + footprint.keyScales + footprint.valueCodes + footprint.valueScales
                    + footprint.window + footprint.slack
                #expect(footprint.total == parts)
                #expect(footprint.total == sequence.bytes)
                #expect(sequence.bytes - footprint.window == sequence.pageContents.count * fixture.plan.pageBytes)
                #expect(sequence.bytes == fixture.pool.bytesInUse)
                #expect(footprint == fixture.plan.footprint(forTokens: length))
                #expect(footprint.slack >= 0 && footprint.slack < fixture.plan.pageBytes)
                #expect(sequence.bytes == fixture.plan.bytes(forTokens: length))
            }
        }
    }

    @Test(arguments: configurationTexts)
    func bitsPerValueAreThoseOfFullPages(configuration: String) throws {
        for shape in Self.shapes {
            let fixture = try CacheFixture(configuration, shape: shape)
            let plan = fixture.plan
            let footprint = plan.footprint(forTokens: 640)
            let values = Double(640 * shape.layers * shape.heads.width)
            let keyBits = Double((footprint.keyCodes + footprint.keyScales) * 8) / values
            #expect(abs(plan.bitsPerValueK - keyBits) <= 1e-14 * keyBits)
            let valueBits = Double((footprint.valueCodes + footprint.valueScales) * 8) / values
            #expect(abs(plan.bitsPerValueV - valueBits) <= 1e-14 * valueBits)
            // Every part of these codecs is a multiple of the alignment, so full pages have no slack at all.
            #expect(footprint.slack == 0)
            let sequence = fixture.sequence()
            try sequence.reserve(640)
            let bytes = sequence.bytes - sequence.footprint.window
            let bits = Double(bytes * 8) / values
            #expect(abs(bits - plan.bitsPerValueK - plan.bitsPerValueV) <= 1e-14 * bits)
            #expect(plan.bytesPerToken * 640 == Double(bytes))
            #expect(plan.f16BytesPerToken == shape.layers * shape.heads.width * 4)
        }
    }

    @Test func knownCodecsTakeTheBitsTheyPromise() throws {
        let shape = KvasirCacheTests.shape(layers: 3, kvHeads: 2, headSize: 64, group: 2)
        func bits(_ configuration: String) throws -> [Double] {
            let plan = try CacheFixture(configuration, shape: shape).plan
            return [plan.bitsPerValueK, plan.bitsPerValueV]
        }
        #expect(try bits("K=f32,V=f16") == [32, 16])
        // The width is 128: one scale of 16 bits for 128 values, or for 32.
        #expect(try bits("K=nf4,V=nf4/b32") == [4.125, 4.5])
    }

    @Test(arguments: configurationTexts + windowedTexts)
    func tokensInBytesIsTheInverseOfBytesForTokens(configuration: String) throws {
        let plan = try CacheFixture(configuration, shape: Self.shapes[0]).plan
        let page = plan.pageBytes + plan.windowPageBytes
        for bytes in [0, page - 1, page, 2 * page + 1, 4 * page, 10 * page + 7, 100 * page] {
            let tokens = plan.tokens(inBytes: bytes)
            #expect(plan.bytes(forTokens: tokens) <= bytes)
            #expect(plan.bytes(forTokens: tokens + 1) > bytes)
        }
    }

    @Test(arguments: configurationTexts)
    func thePartsOfAPageDoNotOverlapAndAreAligned(configuration: String) throws {
        for shape in Self.shapes {
            let plan = try CacheFixture(configuration, shape: shape).plan
            var end = 0
            for layer in plan.layers {
                for (offset, bytes) in [
                    (layer.keyOffset, layer.keys.adaptive?.fixedBytes ?? layer.keys.storage.bytes),
                    (layer.valueOffset, layer.values.adaptive?.fixedBytes ?? layer.values.storage.bytes),
                ] {
                    #expect(offset % PageGeometry.alignment == 0)
                    #expect(offset >= end)
                    end = offset + bytes
                }
            }
            #expect(end <= plan.fixedPageBytes && plan.fixedPageBytes - end < PageGeometry.alignment)
        }
    }
}

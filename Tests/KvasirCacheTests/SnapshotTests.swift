import Foundation
import KvasirCodecs
import Testing

@testable import KvasirCache

/// Full pages, and what lies beside them, are all that is needed to go on after them.
struct SnapshotTests {
    private static func shapes(_ tokens: Int) -> [CacheShape] {
        let heads = HeadShape(kvHeads: 2, headSize: 64)
        return [
            CacheShape(layers: 2, heads: heads, queryHeads: 4),
            CacheShape(layers: 3, heads: heads, queryHeads: 4, windows: [100, nil, 30]),
            CacheShape(layers: 1, heads: heads, queryHeads: 4, windows: [64]),
        ]
    }

    /// Goes on in a sequence of a pool of its own, made of the bytes alone; outputs are those of the first sequence.
    @Test(
        arguments: [
            "f16", "nf4/b64", "kivi2/g32/r128", "nf4; recent=64; sinks=4", "nf4; sinks=70", "K=nf4,V=f16; recent=K:200",
        ])
    func whatIsRestoredGoesOnAsBefore(configuration: String) throws {
        for shape in Self.shapes(700) {
            for pages in [1, 3, 8] {
                let original = try CacheFixture(configuration, shape: shape)
                let stream = TokenStream(shape: shape, tokens: pages * 64 + 90, seed: UInt64(pages))
                let sequence = original.sequence()
                // In steps that end with pages, as prompts are computed.
                for _ in 0..<pages { try original.append(64, of: stream, to: sequence) }
                let snapshot = try #require(CacheSnapshot(sequence))
                #expect(snapshot.tokens == pages * 64)
                var bytes: [UInt8] = []
                snapshot.forEachPage { bytes += $0 }
                #expect(bytes.count == snapshot.layout.byteCount)
                #expect(bytes.count == original.plan.bytes(forTokens: pages * 64))

                let other = try CacheFixture(configuration, shape: shape)
                let restored = try bytes.withUnsafeBytes {
                    try CacheSnapshot(copying: $0, layout: snapshot.layout, pool: other.pool)
                }
                #expect(other.pool.bytesInUse == bytes.count)
                let second = other.sequence()
                second.adopt(restored.pages, sides: restored.sides)
                #expect(second.count == pages * 64)
                #expect(second.bytes == other.plan.bytes(forTokens: second.count))
                let chunks = [1, 20, 63, 6]
                let expected = try original.run(stream, chunks: chunks, into: sequence)
                #expect(identical(try other.run(stream, chunks: chunks, into: second), expected))
                #expect(second.pageContents == sequence.pageContents)
                // The snapshot's own pages did not change meanwhile.
                var after: [UInt8] = []
                restored.forEachPage { after += $0 }
                #expect(after == bytes)
            }
        }
    }

    /// Pages that are known already are not copied again, and a pool without room has what it had.
    @Test(arguments: ["nf4/b64", "nf4; recent=64; sinks=4"])
    func onlyWhatIsMissingIsCopied(configuration: String) throws {
        let shape = Self.shapes(0)[1]
        let fixture = try CacheFixture(configuration, shape: shape)
        let stream = TokenStream(shape: shape, tokens: 320, seed: 5)
        let sequence = fixture.sequence()
        var early: CacheSnapshot?
        for page in 0..<5 {
            try fixture.append(64, of: stream, to: sequence)
            if page == 2 { early = CacheSnapshot(sequence) }
        }
        let known = try #require(early)
        let snapshot = try #require(CacheSnapshot(sequence))
        var bytes: [UInt8] = []
        snapshot.forEachPage { bytes += $0 }
        let needed = CacheSnapshot.bytes(
            toRestore: snapshot.layout, fixture.plan, known: 3, knownSides: known.sides)
        #expect(needed < snapshot.layout.byteCount)
        let before = fixture.pool.bytesInUse
        try bytes.withUnsafeBytes { bytes in
            let restored = try CacheSnapshot(
                copying: bytes, layout: snapshot.layout, pool: fixture.pool, known: known.pages, knownSides: known.sides
            )
            #expect(fixture.pool.bytesInUse == before + needed)
            var again: [UInt8] = []
            restored.forEachPage { again += $0 }
            #expect(again.elementsEqual(bytes))
            let small = PagePool(plan: fixture.plan, budget: snapshot.layout.byteCount - 1)
            #expect(throws: CacheError.self) {
                try CacheSnapshot(copying: bytes, layout: snapshot.layout, pool: small)
            }
            #expect(small.bytesInUse == 0)
        }
        #expect(fixture.pool.bytesInUse == before)
    }

    /// A sequence that is cut within shared pages writes copies: the others' pages stay what they are.
    @Test(arguments: ["nf4/b64", "nf4; recent=64; sinks=4", "kivi2/g32/r128"])
    func sharedPagesAreCopiedBeforeTheyAreWritten(configuration: String) throws {
        for shape in Self.shapes(0) {
            let fixture = try CacheFixture(configuration, shape: shape)
            let stream = TokenStream(shape: shape, tokens: 400, seed: 6)
            let sequence = fixture.sequence()
            for _ in 0..<4 { try fixture.append(64, of: stream, to: sequence) }
            let snapshot = try #require(CacheSnapshot(sequence))
            var bytes: [UInt8] = []
            snapshot.forEachPage { bytes += $0 }
            let other = TokenStream(shape: shape, tokens: 400, seed: 7)
            let second = fixture.sequence()
            second.adopt(snapshot.pages, sides: snapshot.sides)
            #expect(second.truncate(to: 230) == 230)
            _ = try fixture.run(other, chunks: [5, 100], into: second)
            var after: [UInt8] = []
            snapshot.forEachPage { after += $0 }
            #expect(after == bytes)
            // Pages set aside for a long reservation are not taken from those that others hold either.
            let third = fixture.sequence()
            third.adopt(snapshot.pages, sides: snapshot.sides)
            try third.reserve(140, inStepsOf: 20)
            for _ in 0..<7 { third.advance(20) }
            after = []
            snapshot.forEachPage { after += $0 }
            #expect(after == bytes)
            #expect(third.bytes == fixture.plan.bytes(forTokens: third.count))
        }
    }

    @Test func pagesWithSidesAreThoseThatHoldAny() throws {
        for configuration in ["nf4", "nf4; recent=64; sinks=4", "nf4; sinks=70", "kivi2/g32/r128"] {
            for shape in Self.shapes(0) {
                let plan = try CacheFixture(configuration, shape: shape).plan
                for pages in 0..<12 {
                    let expected = (0..<pages).filter { !plan.sides(ofPage: $0, in: pages).isEmpty }
                    #expect(plan.pagesWithSides(in: pages) == expected)
                    let layout = SnapshotLayout(plan, pages: pages)
                    #expect(Set(layout.windows + layout.locals).sorted() == expected)
                    #expect(layout.byteCount == plan.bytes(forTokens: pages * 64))
                }
            }
        }
    }

    /// What a step takes is what the pool then has more, before the sequence gives back what it no longer needs.
    @Test func aStepTakesWhatThePlanSays() throws {
        for configuration in ["nf4", "nf4; recent=64; sinks=4", "nf4; sinks=70"] {
            for shape in Self.shapes(0) {
                let fixture = try CacheFixture(configuration, shape: shape)
                let sequence = fixture.sequence()
                for tokens in [1, 62, 1, 1, 128, 7, 64, 100, 128, 1, 200] {
                    let before = fixture.pool.bytesInUse
                    let expected = fixture.plan.bytes(ofStepFrom: sequence.count, to: sequence.count + tokens)
                    try sequence.reserve(tokens)
                    #expect(fixture.pool.bytesInUse == before + expected)
                    sequence.advance(tokens)
                    #expect(fixture.pool.bytesInUse == fixture.plan.bytes(forTokens: sequence.count))
                }
            }
        }
    }
}

import KvasirCodecs
import KvasirNumerics
import Testing

@testable import KvasirCache

/// A token's output depends on the tokens before it and on nothing else, bit for bit.
@Suite struct AttentionInvarianceTests {
    static let shape = KvasirCacheTests.shape(layers: 2, kvHeads: 2, headSize: 32, group: 2)

    @Test(arguments: representativeTexts, InstructionSet.supported)
    func anyChunkingGivesTheSameOutputsAndPages(configuration: String, instructionSet: InstructionSet) throws {
        let total = 540
        let stream = TokenStream(shape: Self.shape, tokens: total, seed: 17)
        func run(_ chunks: [Int], threads: Int) throws -> (outputs: [[Float]], pages: [[UInt8]]) {
            let fixture = try CacheFixture(
                configuration, shape: Self.shape, instructionSet: instructionSet, threads: threads)
            let sequence = fixture.sequence()
            let outputs = try fixture.run(stream, chunks: chunks, into: sequence)
            return (outputs, sequence.pageContents)
        }
        let reference = try run([Int](repeating: 1, count: total), threads: 1)
        #expect(reference.outputs.allSatisfy { $0.allSatisfy(\.isFinite) })
        var generator = PlainGenerator(seed: 23)
        let cuts = [
            [total], [1, 63, 64, 65, 1, 318, 1, total - 513], randomChunks(total, &generator),
            [Int](repeating: 1, count: total),
        ]
        // The plain kernels take their time.
        for (index, cut) in cuts.prefix(instructionSet == .generic ? 2 : cuts.count).enumerated() {
            let threads = index == 1 ? 1 : ThreadPool.defaultThreadCount
            let result = try run(cut, threads: threads)
            #expect(identical(result.outputs, reference.outputs), "\(cut), \(threads) threads")
            #expect(result.pages == reference.pages, "\(cut), \(threads) threads")
        }
    }

    @Test(arguments: representativeTexts, InstructionSet.supported)
    func sequencesDoNotSeeEachOther(configuration: String, instructionSet: InstructionSet) throws {
        let lengths = [530, 130, 5, 64]
        let streams = lengths.enumerated().map { TokenStream(shape: Self.shape, tokens: $1, seed: UInt64($0) + 40) }
        let alone = try CacheFixture(configuration, shape: Self.shape, instructionSet: instructionSet)
        let expected = try streams.map { stream in
            try alone.run(stream, chunks: [Int](repeating: 1, count: stream.tokens), into: alone.sequence())
        }
        for threads in Set([instructionSet == .generic ? 2 : 1, 2]) {
            let fixture = try CacheFixture(
                configuration, shape: Self.shape, instructionSet: instructionSet, threads: threads)
            let sequences = lengths.map { _ in fixture.sequence() }
            var outputs = lengths.map { _ in [[Float]](repeating: [], count: Self.shape.layers) }
            var generator = PlainGenerator(seed: 5)
            while zip(sequences, lengths).contains(where: { $0.count < $1 }) {
                // Any of: waits, decodes one token, prefills a few or many.
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
            for index in lengths.indices {
                #expect(identical(outputs[index], expected[index]), "sequence \(index), \(threads) threads")
            }
        }
    }

    @Test(arguments: representativeTexts, InstructionSet.supported)
    func laterTokensDoNotReachEarlierOnes(configuration: String, instructionSet: InstructionSet) throws {
        let total = 150
        let plain = TokenStream(shape: Self.shape, tokens: total, seed: 61)
        let poisons: [[Float]] = [
            [1000, -3], [.nan], [.infinity, -.infinity, 2], [.nan, 1, .infinity, 3.0e38, -.leastNonzeroMagnitude],
        ]
        let reference = try CacheFixture(configuration, shape: Self.shape, instructionSet: instructionSet)
        let expected = try reference.run(plain, chunks: [total], into: reference.sequence())
        for poison in poisons {
            for first in [1, 63, 149] {
                var stream = plain
                let tail = first * Self.shape.heads.width..<total * Self.shape.heads.width
                for index in tail {
                    stream.keys[index] = poison[index % poison.count]
                    stream.values[index] = poison[(index + 1) % poison.count]
                }
                for index in first * stream.queryWidth..<total * stream.queryWidth {
                    stream.queries[index] = poison[index % poison.count]
                }
                let fixture = try CacheFixture(
                    configuration, shape: Self.shape, instructionSet: instructionSet,
                    threads: first == 1 ? 1 : ThreadPool.defaultThreadCount)
                let outputs = try fixture.run(stream, chunks: [total], into: fixture.sequence())
                let early = first * stream.queryWidth
                for (output, unchanged) in zip(outputs, expected) {
                    #expect(
                        identical(Array(output.prefix(early)), Array(unchanged.prefix(early))),
                        "\(poison) from \(first)")
                }
            }
        }
    }

    @Test(arguments: representativeTexts, InstructionSet.supported)
    func whatTruncationLeavesBehindReachesNoOutput(configuration: String, instructionSet: InstructionSet) throws {
        let total = 200
        let stream = TokenStream(shape: Self.shape, tokens: total, seed: 71)
        let fixture = try CacheFixture(configuration, shape: Self.shape, instructionSet: instructionSet)
        let fresh = fixture.sequence()
        let expected = try fixture.run(stream, chunks: [total], into: fresh)
        for length in [0, 1, 64, 130] {
            var wrong = TokenStream(shape: Self.shape, tokens: total, seed: 72)
            for index in wrong.keys.indices where index % 3 != 0 {
                wrong.keys[index] = .nan
                wrong.values[index] = index % 2 == 0 ? .nan : .infinity
            }
            let sequence = fixture.sequence()
            try fixture.append(length, of: stream, to: sequence)
            try fixture.append(total - length, of: wrong, to: sequence)
            let kept = sequence.truncate(to: length)
            #expect(kept == length || fixture.plan.windowPageBytes > 0 && kept < length)
            #expect(sequence.count == kept)
            // One token first: the rest of its page still holds what was cut off.
            let outputs = try fixture.run(stream, chunks: [1, total - kept - 1], into: sequence)
            for layer in outputs.indices {
                #expect(
                    identical(outputs[layer], Array(expected[layer].dropFirst(kept * stream.queryWidth))),
                    "cut to \(length)")
            }
            #expect(sequence.pageContents == fresh.pageContents, "cut to \(length)")
        }
    }

    @Test(arguments: InstructionSet.supported)
    func resultsThatVanishHaveTheSameSignEitherWay(instructionSet: InstructionSet) throws {
        // The products of small weights and the smallest of numbers round to -0, which sums of several ranges lose.
        let shape = KvasirCacheTests.shape(kvHeads: 1, headSize: 16, group: 1)
        var stream = TokenStream(shape: shape, tokens: 40, seed: 81)
        for token in 0..<40 {
            for channel in 0..<16 {
                stream.queries[token * 16 + channel] = 1
                stream.keys[token * 16 + channel] = token % 2 == 0 ? -1 : 1
                stream.values[token * 16 + channel] = token % 2 == 0 ? -.leastNonzeroMagnitude : -0.0
            }
        }
        let fixture = try CacheFixture("f32", shape: shape, instructionSet: instructionSet)
        let decoded = try fixture.run(
            stream, chunks: [Int](repeating: 1, count: 40), into: fixture.sequence())
        let prefilled = try fixture.run(stream, chunks: [40], into: fixture.sequence())
        #expect(identical(decoded, prefilled))
    }

    @Test func aStepWithoutTokensWritesNothing() throws {
        let fixture = try CacheFixture("f16", shape: Self.shape)
        let sequence = fixture.sequence()
        #expect(try fixture.step([]).isEmpty)
        let stream = TokenStream(shape: Self.shape, tokens: 1, seed: 1)
        #expect(try fixture.step([(sequence, stream, 0)])[0].allSatisfy(\.isEmpty))
        #expect(sequence.count == 0 && sequence.bytes == 0)
    }
}

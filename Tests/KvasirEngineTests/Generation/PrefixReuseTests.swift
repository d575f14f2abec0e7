import KvasirCache
import KvasirCodecs
import KvasirEngine
import KvasirModels
import Testing

/// What a session has cached changes the time a prompt takes and nothing else.
struct PrefixReuseTests {
    static let codecs = CodecRegistry.families.compactMap(\.members.first).map(\.name) + ["q4_0/rot", "cq-4c8b/post"]
    /// Those whose full pages never change, so that the pages of one sequence give another what computing them would.
    static let sharing = codecs.filter { !$0.hasPrefix("qaq") }

    /// Generates in `session` and in a fresh one, and expects the same tokens, keys and values.
    private func expectSame(
        _ session: GenerationSession, prompt: [Int32], cached: Int?, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> GenerationResult {
        let request = GenerationRequest(
            prompt: prompt, sampling: try SamplingParameters(temperature: 0.8, seed: 11), maxTokens: 20)
        let result = try session.generate(request)
        let fresh = GenerationSession(session.engine)
        let expected = try fresh.generate(request)
        #expect(expected.cachedPromptTokens == 0, sourceLocation: sourceLocation)
        if let cached { #expect(result.cachedPromptTokens == cached, sourceLocation: sourceLocation) }
        #expect(result.tokens == expected.tokens, sourceLocation: sourceLocation)
        #expect(result.text == expected.text, sourceLocation: sourceLocation)
        #expect(session.cachedTokens == prompt + result.tokens.dropLast(), sourceLocation: sourceLocation)
        #expect(session.cachedTokens.count == session.sequence.count, sourceLocation: sourceLocation)
        let same = session.sequence.contents() == fresh.sequence.contents()
        #expect(same, "keys and values are the same bit for bit", sourceLocation: sourceLocation)
        return result
    }

    @Test(arguments: codecs)
    func furtherTurnsGiveTheTokensOfAFreshSession(codec: String) throws {
        let session = try GenerationSession(
            TinyModel.quantized.engine(cache: codec, precision: .int8))
        // With a window, or bits that follow attention, the tokens before a far cut may have to be run again.
        let plan = session.engine.plan
        func reused(_ tokens: Int) -> Int? { plan.windowPageBytes > 0 || plan.isAdaptive ? nil : tokens }
        let first = scatteredTokens(100)
        let answer = try expectSame(session, prompt: first, cached: 0)
        // The token that ended the answer was chosen but never run.
        let second = first + answer.tokens + scatteredTokens(170, seed: 2)
        _ = try expectSame(session, prompt: second, cached: first.count + answer.tokens.count - 1)
        // Another way from the middle of a page, then the same prompt once more: its last token is always run.
        let other: Int32 = first[75] == 5 ? 6 : 5
        let third = Array(first.prefix(75)) + [other] + scatteredTokens(30, seed: 3)
        _ = try expectSame(session, prompt: third, cached: reused(75))
        _ = try expectSame(session, prompt: third, cached: third.count - 1)
        // A beginning of what is cached, and something else altogether.
        _ = try expectSame(session, prompt: Array(third.prefix(64)), cached: reused(63))
        _ = try expectSame(session, prompt: [first[0] == 5 ? 6 : 5], cached: 0)
    }

    @Test(arguments: [
        "nf4; recent=64; sinks=4", "nf4/b32; recent=K:100,V:7; sinks=V:70", "nf4; layers 0=f16; recent=20",
        "nf4; sinks=9",
    ])
    func windowsChangeNoTokenOfFurtherTurns(cache: String) throws {
        let session = try GenerationSession(TinyModel.quantized.engine(cache: cache, precision: .int8))
        let first = scatteredTokens(300)
        let answer = try expectSame(session, prompt: first, cached: 0)
        let second = first + answer.tokens + scatteredTokens(70, seed: 2)
        _ = try expectSame(session, prompt: second, cached: first.count + answer.tokens.count - 1)
        // Close to the end, then far from it: what the window no longer has is computed again.
        _ = try expectSame(session, prompt: Array(second.dropLast(30)) + [5, 6, 7], cached: nil)
        _ = try expectSame(session, prompt: Array(first.prefix(90)) + scatteredTokens(200, seed: 3), cached: nil)
        _ = try expectSame(session, prompt: Array(first.prefix(40)), cached: nil)
        _ = try expectSame(session, prompt: second, cached: nil)
    }

    @Test func aBudgetThatHoldsAPromptHoldsItInChunks() throws {
        let cache = "nf4; recent=64; sinks=4"
        let plan = try TinyModel.tied.engine(cache: cache).plan
        let budget = plan.peakBytes(forTokens: 700, inStepsOf: InferenceEngine.prefillChunk)
        let session = try GenerationSession(TinyModel.tied.engine(cache: cache, cacheBudget: budget))
        let result = try session.generate(.init(prompt: scatteredTokens(690), maxTokens: 10))
        #expect(result.tokens.count == 10 || result.finishReason == .stop)
        #expect(session.engine.pool.peakBytes <= budget)
        #expect(throws: CacheError.self) {
            try session.generate(.init(prompt: scatteredTokens(700), maxTokens: 10))
        }
    }

    @Test func sharedPrefixBeyondAChunkIsReused() throws {
        let session = try GenerationSession(TinyModel.tied.engine(cache: "nf4"))
        let prompt = scatteredTokens(600)
        _ = try expectSame(session, prompt: prompt, cached: 0)
        _ = try expectSame(session, prompt: Array(prompt.prefix(530)) + scatteredTokens(80, seed: 9), cached: 530)
    }

    @Test func cancelledPrefillKeepsWhatWasRun() throws {
        let session = try GenerationSession(TinyModel.tied.engine(cache: "nf4"))
        let prompt = scatteredTokens(600)
        var asked = 0
        let cancelled = try session.generate(
            .init(prompt: prompt, maxTokens: 5),
            isCancelled: {
                asked += 1
                return asked > 1
            })
        #expect(cancelled.finishReason == .cancelled)
        #expect(cancelled.tokens.isEmpty && cancelled.text.isEmpty)
        #expect(session.sequence.count == InferenceEngine.prefillChunk)
        #expect(session.cachedTokens == Array(prompt.prefix(InferenceEngine.prefillChunk)))
        // The pages of the rest are free for others.
        #expect(session.engine.pool.bytesInUse == session.engine.plan.bytes(forTokens: session.sequence.count))
        _ = try expectSame(session, prompt: prompt, cached: InferenceEngine.prefillChunk)
    }

    @Test func cancelledAnswerIsPartOfTheCache() throws {
        let session = try GenerationSession(TinyModel.tied.engine(cache: "nf4"))
        let prompt = scatteredTokens(40)
        var streamed = ""
        var asked = 0
        let cancelled = try session.generate(
            .init(prompt: prompt, maxTokens: 20), onText: { streamed += $0 },
            isCancelled: {
                asked += 1
                return asked > 6
            })
        #expect(cancelled.finishReason == .cancelled)
        // Asked once before the prompt and then before every token.
        #expect(cancelled.tokens.count == 5)
        #expect(cancelled.text == streamed)
        #expect(session.cachedTokens == prompt + cancelled.tokens)
        _ = try expectSame(session, prompt: prompt + cancelled.tokens + [9], cached: 45)
    }

    @Test func resetGivesAllPagesBack() throws {
        let session = try GenerationSession(TinyModel.tied.engine(cache: "nf4"))
        let prompt = scatteredTokens(200)
        _ = try expectSame(session, prompt: prompt, cached: 0)
        #expect(session.engine.pool.bytesInUse > 0)
        session.reset()
        #expect(session.engine.pool.bytesInUse == 0)
        #expect(session.cachedTokens.isEmpty)
        _ = try expectSame(session, prompt: prompt, cached: 0)
    }
}

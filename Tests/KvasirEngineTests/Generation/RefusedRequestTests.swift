import KvasirCache
import KvasirEngine
import KvasirNumerics
import Testing

/// What cannot be done is refused in one line that says what is needed, and the session goes on.
struct RefusedRequestTests {
    /// Expects that a session answers as a fresh one of another engine does.
    private func expectUsable(_ session: GenerationSession, like other: InferenceEngine) throws {
        let request = GenerationRequest(prompt: scatteredTokens(30, seed: 6), maxTokens: 10)
        let expected = try GenerationSession(other).generate(request)
        #expect(try session.generate(request).tokens == expected.tokens)
        #expect(session.cachedTokens.count == session.sequence.count)
    }

    @Test func promptBeyondTheContext() throws {
        let session = try GenerationSession(TinyModel.tied.engine(contextLength: 64))
        let error = #expect(throws: EngineError.self) {
            try session.generate(.init(prompt: scatteredTokens(65)))
        }
        #expect(error?.reason == .contextExceeded)
        #expect(error?.description.contains("65 tokens") == true)
        #expect(error?.description.contains("64;") == true)
        #expect(session.engine.pool.bytesInUse == 0)
        try expectUsable(session, like: TinyModel.tied.engine())
    }

    @Test func promptBeyondTheBudget() throws {
        let plan = try TinyModel.tied.engine(cache: "nf4").plan
        let budget = plan.bytes(forTokens: 128)
        let session = try GenerationSession(TinyModel.tied.engine(cache: "nf4", cacheBudget: budget))
        let error = #expect(throws: CacheError.self) {
            try session.generate(.init(prompt: scatteredTokens(300)))
        }
        #expect(error?.reason == .overBudget)
        let needed = ByteCount(plan.bytes(forTokens: 300))
        #expect(error?.description.contains("\(needed)") == true, "the need as a whole: \(needed)")
        #expect(error?.description.contains("\(ByteCount(budget))") == true)
        #expect(error?.description.contains("\n") == false)
        #expect(session.engine.pool.bytesInUse == 0)
        #expect(session.engine.pool.peakBytes == 0)
        try expectUsable(session, like: TinyModel.tied.engine(cache: "nf4"))
    }

    @Test func answerBeyondTheBudget() throws {
        let budget = try TinyModel.tied.engine(cache: "nf4").plan.bytes(forTokens: 64)
        let session = try GenerationSession(TinyModel.tied.engine(cache: "nf4", cacheBudget: budget))
        let sampling = try SamplingParameters(temperature: 0, logitBias: [0: -100, 2: -100])
        let error = #expect(throws: CacheError.self) {
            try session.generate(.init(prompt: scatteredTokens(60), sampling: sampling, maxTokens: 5))
        }
        #expect(error?.reason == .overBudget)
        #expect(session.sequence.count == 0)
        // Without a number the answer ends where the budget does.
        let result = try session.generate(.init(prompt: scatteredTokens(60), sampling: sampling))
        #expect(result.tokens.count == 4)
        #expect(result.finishReason == .length)
        try expectUsable(session, like: TinyModel.tied.engine(cache: "nf4"))
    }

    @Test func twoSessionsShareABudget() throws {
        let budget = try TinyModel.tied.engine(cache: "f16").plan.bytes(forTokens: 128)
        let engine = try TinyModel.tied.engine(cache: "f16", cacheBudget: budget)
        let (first, second) = (GenerationSession(engine), GenerationSession(engine))
        _ = try first.generate(.init(prompt: scatteredTokens(100), maxTokens: 1))
        let request = GenerationRequest(prompt: scatteredTokens(20), maxTokens: 1)
        #expect(throws: CacheError.self) { try second.generate(request) }
        first.reset()
        #expect(try second.generate(request).tokens.count == 1)
    }

    @Test func tokenThatIsNone() throws {
        let session = try GenerationSession(TinyModel.tied.engine())
        for token in [-1, 267, .max] as [Int32] {
            let error = #expect(throws: EngineError.self) {
                try session.generate(.init(prompt: scatteredTokens(400) + [token]))
            }
            #expect(error?.reason == .unknownToken)
            #expect(error?.description.contains("token \(token)") == true)
            #expect(error?.description.contains("266") == true)
            #expect(session.sequence.count == 0)
        }
        try expectUsable(session, like: TinyModel.tied.engine())
    }

    @Test func promptWithoutTokens() throws {
        let session = try GenerationSession(TinyModel.tied.engine())
        let error = #expect(throws: EngineError.self) { try session.generate(.init(prompt: [])) }
        #expect(error?.reason == .emptyPrompt)
        try expectUsable(session, like: TinyModel.tied.engine())
    }

    @Test(arguments: [0, -1, 1_025])
    func contextTheModelWasNotMadeFor(length: Int) {
        let error = #expect(throws: EngineError.self) { try TinyModel.tied.engine(contextLength: length) }
        #expect(error?.reason == .badContext)
        #expect(error?.description.contains("1 to 1024") == true)
    }
}

import KvasirCache
import KvasirEngine
import KvasirNumerics
import KvasirTokenizers
import Testing

struct GenerationSessionTests {
    @Test func greedyTextIsTheReferences() throws {
        for tiny in TinyModel.allCases {
            let description = try tiny.description()
            let engine = try tiny.engine()
            let result = try GenerationSession(engine).generate(
                .init(prompt: description.prompt, maxTokens: description.continuation.count))
            #expect(result.tokens == description.continuation)
            #expect(result.finishReason == .length)
            #expect(result.promptTokens == description.prompt.count)
            #expect(result.text == engine.model.tokenizer.decode(description.continuation))
        }
    }

    @Test func contextEndsTheText() throws {
        let description = try TinyModel.separate.description()
        let session = try GenerationSession(TinyModel.separate.engine(contextLength: 60))
        let result = try session.generate(.init(prompt: description.prompt))
        #expect(result.tokens == Array(description.continuation.prefix(20)))
        #expect(result.finishReason == .length)
        // A prompt that fills the context leaves room for nothing.
        let full = try session.generate(.init(prompt: description.prompt + description.continuation.prefix(20)))
        #expect(full.tokens.isEmpty)
        #expect(full.finishReason == .length)
        #expect(session.sequence.count == 60)
    }

    @Test func noTokensAreGeneratedWhenNoneAreWanted() throws {
        let session = try GenerationSession(TinyModel.tied.engine())
        let result = try session.generate(.init(prompt: scatteredTokens(10), maxTokens: 0))
        #expect(result.tokens.isEmpty && result.text.isEmpty)
        #expect(result.finishReason == .length)
        #expect(session.cachedTokens == scatteredTokens(10))
    }

    @Test func endTokenEndsTheText() throws {
        let session = try GenerationSession(TinyModel.tied.engine())
        // The bias leaves nothing but the end.
        let sampling = try SamplingParameters(temperature: 0, logitBias: [2: 100])
        let result = try session.generate(.init(prompt: scatteredTokens(10), sampling: sampling, maxTokens: 9))
        #expect(result.tokens == [2])
        #expect(result.text.isEmpty)
        #expect(result.finishReason == .stop)
    }

    @Test func streamedTextIsTheText() throws {
        let engine = try TinyModel.separate.engine()
        for seed in 1...4 as ClosedRange<UInt64> {
            // At a high temperature nearly every token is a byte of its own, few of which make characters.
            let sampling = try SamplingParameters(temperature: 3, logitBias: [0: -100, 2: -100], seed: seed)
            var streamed: [String] = []
            let result = try GenerationSession(engine).generate(
                .init(prompt: scatteredTokens(5), sampling: sampling, maxTokens: 80)
            ) { streamed.append($0) }
            #expect(streamed.joined() == result.text)
            #expect(streamed.count > 10)
            #expect(result.text == engine.model.tokenizer.decode(result.tokens))
        }
    }

    @Test func stopStringCutsTheTextWhereverTokensEnd() throws {
        let prompt = try TinyModel.tied.description().prompt
        let engine = try TinyModel.tied.engine()
        let whole = try GenerationSession(engine).generate(.init(prompt: prompt, maxTokens: 24))
        let text = Array(whole.text.unicodeScalars)
        // All but single bytes cross tokens.
        for (start, length) in [(0, 2), (3, 3), (7, 5), (10, 1)] {
            let stop = String(String.UnicodeScalarView(text[start..<start + length]))
            let first =
                (0...start).first { Array(text[$0..<$0 + length]) == Array(text[start..<start + length]) } ?? start
            var streamed = ""
            let session = GenerationSession(engine)
            let result = try session.generate(
                .init(prompt: prompt, maxTokens: 24, stops: StopStrings([stop]))
            ) { streamed += $0 }
            #expect(result.text == String(String.UnicodeScalarView(text[..<first])))
            #expect(streamed == result.text)
            #expect(result.finishReason == .stop)
            #expect(result.tokens == Array(whole.tokens.prefix(result.tokens.count)))
            #expect(session.cachedTokens == prompt + result.tokens.dropLast())
        }
        // What was held back for a stop string that never came is text after all.
        let last = String(String.UnicodeScalarView(text.suffix(1))) + "\u{0}"
        let result = try GenerationSession(engine).generate(
            .init(prompt: prompt, maxTokens: 24, stops: StopStrings([last])))
        #expect(result.text == whole.text)
        #expect(result.finishReason == .length)
    }

    @Test func seedDecides() throws {
        let engine = try TinyModel.tied.engine(cache: "nf4")
        func tokens(_ seed: UInt64?) throws -> (tokens: [Int32], seed: UInt64) {
            let result = try GenerationSession(engine).generate(
                .init(prompt: scatteredTokens(20), sampling: SamplingParameters(seed: seed), maxTokens: 30))
            return (result.tokens, result.seed)
        }
        let seven = try tokens(7)
        #expect(seven.seed == 7)
        #expect(try tokens(7).tokens == seven.tokens)
        #expect(try tokens(8).tokens != seven.tokens)
        // A seed that nobody chose can be asked for again.
        let own = try tokens(nil)
        #expect(try tokens(own.seed).tokens == own.tokens)
        #expect(try tokens(nil).tokens != own.tokens)
    }
}

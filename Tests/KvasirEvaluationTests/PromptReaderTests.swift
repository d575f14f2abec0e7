import KvasirEngine
import KvasirModels
import KvasirTokenizers
import Testing

@testable import KvasirEvaluation

struct PromptReaderTests {
    private static let text = "The other day, in the thin winter light, a tall man walked over the hill. "

    private func tokens(_ engine: InferenceEngine, repeats: Int = 4) -> [Int32] {
        engine.model.tokenizer.encode(
            String(repeating: Self.text, count: repeats), addSpecial: true, parseSpecial: false)
    }

    /// The logits of the last token of a text, from one step over all of it.
    private func logits(_ engine: InferenceEngine, after tokens: [Int32]) throws -> TokenDistribution {
        let sequence = engine.makeSequence()
        try engine.prefill(tokens[...], into: sequence)
        var logits = [Float](repeating: 0, count: engine.vocabularySize)
        logits.withUnsafeMutableBufferPointer {
            engine.logits(rows: engine.lastRow..<engine.lastRow + 1, into: $0)
        }
        return TokenDistribution(logits: logits[...])
    }

    /// With windows of f16 copies the cache may have to go back further than to the prompt.
    @Test(arguments: ["f32", "nf4/b32", "nf4/b32; recent=16; sinks=4", "kivi4"])
    func questionsLeaveThePromptAsItWas(cache: String) throws {
        let engine = try TinyModel.engine(cache: cache)
        let prompt = tokens(engine)
        let reader = PromptReader(engine)
        try reader.read(prompt)
        let first = try reader.greedy(20)
        let likelihood = try reader.logLikelihood(of: [65, 66, 67])
        _ = try reader.logLikelihood(of: Array(repeating: 70, count: 90))
        #expect(try reader.greedy(20) == first)
        #expect(try reader.logLikelihood(of: [65, 66, 67]) == likelihood)

        // A prompt with the same beginning is that of a fresh reader.
        let other = Array(prompt.dropLast(30)) + [70, 71, 72]
        try reader.read(other)
        let fresh = PromptReader(engine)
        try fresh.read(other)
        #expect(try reader.greedy(12) == fresh.greedy(12))
        // And one that is contained in the one before.
        try reader.read(Array(prompt.dropLast(40)))
        try fresh.read(Array(prompt.dropLast(40)))
        #expect(try reader.logLikelihood(of: [80, 81]) == fresh.logLikelihood(of: [80, 81]))
    }

    @Test func likelihoodIsThatOfTheTokensOneByOne() throws {
        let engine = try TinyModel.engine()
        let prompt = tokens(engine, repeats: 2)
        let continuation: [Int32] = [80, 90, 100, 110]
        let reader = PromptReader(engine)
        try reader.read(prompt)
        var expected = 0.0
        for (index, token) in continuation.enumerated() {
            expected -= try logits(engine, after: prompt + continuation[..<index]).loss(of: Int(token))
        }
        #expect(abs(try reader.logLikelihood(of: continuation) - expected) < 1e-6)
        #expect(abs(try reader.logLikelihood(of: [80]) + logits(engine, after: prompt).loss(of: 80)) < 1e-6)
        #expect(try reader.logLikelihood(of: []) == 0)
    }

    @Test func greedyTextIsTheMostProbableAndKeepsOutWhatIsExcluded() throws {
        let engine = try TinyModel.engine()
        let prompt = tokens(engine, repeats: 1)
        let reader = PromptReader(engine)
        try reader.read(prompt)
        let text = try reader.greedy(6)
        var history = prompt
        for token in text {
            #expect(try logits(engine, after: history).top == Int(token))
            history.append(token)
        }
        let without = try reader.greedy(6, excluding: [text[0]])
        #expect(!without.contains(text[0]) && without.count == 6)
        #expect(try reader.greedy(6) { $0.count == 2 } == Array(text[..<2]))
    }

    /// With an f32 cache an exact prompt is the same; with few bits its keys and values are those of exact attention, stored.
    @Test func exactPromptsDoNotReadTheCache() throws {
        let exact = try TinyModel.engine()
        let prompt = tokens(exact)
        let plain = PromptReader(exact)
        try plain.read(prompt)
        let same = PromptReader(try TinyModel.engine(), exact: exact)
        try same.read(prompt)
        #expect(try same.greedy(20) == plain.greedy(20))
        #expect(try same.logLikelihood(of: [80, 90]) == plain.logLikelihood(of: [80, 90]))

        let coarse = try TinyModel.engine(cache: "nf2/b32; recent=16")
        let reader = PromptReader(coarse, exact: exact)
        try reader.read(prompt)
        let likelihood = try reader.logLikelihood(of: [80, 90])
        // Beyond what the window can take back.
        _ = try reader.logLikelihood(of: Array(repeating: 70, count: 90))
        #expect(try reader.logLikelihood(of: [80, 90]) == likelihood)
        let reading = PromptReader(coarse)
        try reading.read(prompt)
        #expect(try reading.logLikelihood(of: [80, 90]) != likelihood)
    }

    @Test func whatDoesNotFitIsRefusedAndTheReaderStaysUsable() throws {
        let engine = try TinyModel.engine(contextLength: 64)
        let reader = PromptReader(engine)
        let prompt = Array(tokens(engine)[..<60])
        try reader.read(prompt)
        let text = try reader.greedy(4)
        #expect(throws: EngineError.self) { try reader.read([Int32](repeating: 70, count: 65)) }
        #expect(throws: EngineError.self) { try reader.read([]) }
        try reader.read(prompt)
        #expect(try reader.greedy(4) == text)
    }
}

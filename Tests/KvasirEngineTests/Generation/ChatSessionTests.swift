import Foundation
import KvasirCache
import KvasirEngine
import KvasirModels
import KvasirTokenizers
import Testing

struct ChatSessionTests {
    private func engine(
        cache: String = "nf4", contextLength: Int? = nil, cacheBudget: Int = .max
    ) throws -> InferenceEngine {
        try TinyModel.tied.engine(
            cache: cache, contextLength: contextLength, cacheBudget: cacheBudget, precision: .int8)
    }

    private func onePage() throws -> Int { try engine().plan.pageBytes }

    @Test("A turn whose beginning is cached gives the tokens of one computed at once", arguments: ["f32", "nf4"])
    func cachedTurnEqualsComputedOne(cache: String) throws {
        let engine = try self.engine(cache: cache)
        let tokenizer = engine.model.tokenizer
        let chat = try ChatSession(engine)
        let first = try chat.answer("hello", sampling: .greedy, maxTokens: 9)
        let second = try chat.answer("the cat", sampling: .greedy, maxTokens: 9)

        let beginning = "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
        let rest = "<|im_end|>\n<|im_start|>user\nthe cat<|im_end|>\n<|im_start|>assistant\n"
        let prompt =
            tokenizer.encode(beginning, addSpecial: false, parseSpecial: true) + first.tokens
            + tokenizer.encode(rest, addSpecial: false, parseSpecial: true)
        let fresh = try GenerationSession(engine).generate(.init(prompt: prompt, maxTokens: 9))
        #expect(second.promptTokens == prompt.count)
        #expect(second.cachedPromptTokens == first.promptTokens + first.tokens.count - 1)
        #expect(fresh.cachedPromptTokens == 0)
        #expect(second.tokens == fresh.tokens)
    }

    @Test("An answer that a stop string cut goes on from its text")
    func stopString() throws {
        let engine = try self.engine()
        let whole = try ChatSession(engine).answer("hello", sampling: .greedy, maxTokens: 9)
        // The shortest end of the text that does not occur earlier.
        let stop = try #require(
            (1...whole.text.count).lazy.map { String(whole.text.suffix($0)) }.first { stop in
                whole.text.dropLast().components(separatedBy: stop).count == 1
            })
        let chat = try ChatSession(engine)
        let cut = try chat.answer("hello", sampling: .greedy, maxTokens: 9, stops: StopStrings([stop]))
        #expect(cut.finishReason == .stop)
        #expect(whole.text == cut.text + stop)
        #expect(chat.messages.last?.content == cut.text)
        let text = try chat.template.render(
            messages: chat.messages + [ChatMessage(role: .user, content: "more")], addGenerationPrompt: true)
        let next = try chat.answer("more", sampling: .greedy, maxTokens: 1)
        #expect(
            next.promptTokens
                == engine.model.tokenizer.encode(text, addSpecial: false, parseSpecial: true).count)
    }

    @Test("A turn that does not fit, or is cancelled before its first token, leaves the conversation as it was")
    func failedTurn() throws {
        let chat = try ChatSession(try engine(contextLength: 64), system: "x")
        let first = try chat.answer("hello", sampling: .greedy, maxTokens: 4)
        let messages = chat.messages
        #expect(messages.map(\.role) == [.system, .user, .assistant])
        #expect(throws: EngineError.self) {
            try chat.answer(String(repeating: "z", count: 64), sampling: .greedy, maxTokens: 4)
        }
        let cancelled = try chat.answer("a", sampling: .greedy, maxTokens: 4, isCancelled: { true })
        #expect(cancelled.tokens.isEmpty && cancelled.finishReason == .cancelled)
        #expect(chat.messages == messages)
        chat.reset()
        #expect(chat.cacheBytes == 0)
        #expect(try chat.answer("hello", sampling: .greedy, maxTokens: 4).tokens == first.tokens)
    }

    @Test("Without a limit an answer ends where the context, or the budget, does", arguments: [true, false])
    func fillsWhatThereIs(byContext: Bool) throws {
        let engine = try byContext ? engine(contextLength: 64) : engine(cacheBudget: onePage() + 1)
        #expect(engine.tokenCapacity == 64)
        let result = try ChatSession(engine).answer("hello", sampling: .greedy)
        #expect(result.promptTokens + result.tokens.count == 64)
        #expect(result.finishReason == .length)
    }

    @Test("A number of tokens that the budget does not hold is refused before any is computed")
    func budgetIsCheckedFirst() throws {
        let engine = try self.engine(cacheBudget: onePage())
        let session = GenerationSession(engine)
        let request = GenerationRequest(prompt: [10, 11, 12], maxTokens: 62)
        let error = #expect(throws: CacheError.self) { try session.generate(request) }
        #expect(error?.reason == .overBudget)
        let needed = try 2 * onePage()
        #expect(error?.description.contains("\(needed) bytes") == true)
        #expect(engine.pool.peakBytes == 0)
        #expect(try session.generate(GenerationRequest(prompt: [10, 11, 12], maxTokens: 61)).tokens.count == 61)
    }

    @Test("A session that is dropped gives its pages back at once")
    func droppedSession() throws {
        let engine = try self.engine()
        for _ in 0..<3 {
            _ = try GenerationSession(engine).generate(.init(prompt: [10, 11], maxTokens: 3))
            #expect(engine.pool.bytesInUse == 0)
        }
        #expect(engine.pool.peakBytes == engine.plan.pageBytes)
    }
}

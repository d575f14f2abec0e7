import Foundation
import KvasirCache
import KvasirEngine
import KvasirEvaluation
import KvasirModels
import KvasirNumerics
import KvasirTokenizers
import Testing

struct PerplexityTests {
    /// A text of some 600 tokens of the tiny models.
    static let text = Array(
        String(
            repeating: "The other day, in the thin winter light, a tall man of 47 walked over the hill.\n", count: 9
        ).utf8)

    /// The models lie with the tests of their layer.
    private func engine(_ name: String, cache: String = "f32", contextLength: Int? = nil) throws -> InferenceEngine {
        let path = URL(filePath: #filePath).appending(path: "../../KvasirModelsTests/Fixtures/tiny-\(name).gguf")
        let threads = try ThreadPool()
        return try InferenceEngine(
            model: LanguageModel(path: path.standardized.path, threads: threads),
            cache: CacheConfiguration(parsing: cache), contextLength: contextLength, threads: threads,
            instructionSet: .best)
    }

    /// The losses of the second half of a window, from the logits of one step over all of it.
    private func losses(_ window: [Int32], _ engine: InferenceEngine) throws -> [Double] {
        let sequence = engine.makeSequence()
        try engine.run(ForwardStep([.init(sequence: sequence, tokens: window)]))
        let width = engine.vocabularySize
        var logits = [Float](repeating: 0, count: window.count * width)
        logits.withUnsafeMutableBufferPointer { engine.logits(rows: 0..<window.count, into: $0) }
        return (window.count / 2..<window.count - 1).map { position in
            let row = logits[position * width..<(position + 1) * width].map(Double.init)
            return log(row.reduce(0) { $0 + exp($1) }) - row[Int(window[position + 1])]
        }
    }

    /// Recomputes an evaluation; `first` replaces the first token of every window.
    private func recomputed(
        _ engine: InferenceEngine, tokens: [Int32], context: Int, windows: Int, first: Int32? = nil
    ) throws -> (perplexity: Double, standardError: Double, tokens: Int) {
        var all: [Double] = []
        for index in 0..<windows {
            var window = Array(tokens[index * context..<(index + 1) * context])
            if let first { window[0] = first }
            all += try losses(window, engine)
        }
        let mean = all.reduce(0, +) / Double(all.count)
        let squares = all.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        let error = (squares / Double(all.count) / Double(all.count - 1)).squareRoot()
        return (exp(mean), exp(mean) * error, all.count)
    }

    @Test(
        arguments: [("tied", "f32"), ("tied", "nf4"), ("quantized", "f16"), ("quantized", "K=nf4/b32,V=f16")],
        // Even and odd, shorter than a page, longer than a chunk of the prompt.
        [(64, 3), (65, 2), (4, 5), (300, 1)])
    func isTheExponentialOfTheMeanLoss(model: (String, String), windows: (Int, Int)) throws {
        let engine = try engine(model.0, cache: model.1)
        let (context, count) = windows
        let result = try PerplexityEvaluation(context: context, windows: count).run(text: Self.text, engine: engine)
        let tokens = engine.model.tokenizer.encode(Self.text, addSpecial: false, parseSpecial: false)
        let expected = try recomputed(engine, tokens: tokens, context: context, windows: count)
        #expect(result.windows == count)
        #expect(result.context == context)
        #expect(result.tokens == expected.tokens)
        #expect(result.tokens == count * (context - 1 - context / 2))
        // The two differ in how they add up the exponentials, in single and in double precision.
        #expect(abs(result.perplexity / expected.perplexity - 1) < 1e-5)
        #expect(abs(result.standardError / expected.standardError - 1) < 1e-3)
        #expect(abs(result.perplexity - exp(result.loss)) < 1e-9)
    }

    @Test func firstTokenOfEveryWindowIsTheModels() throws {
        let engine = try engine("separate")
        let tokenizer = engine.model.tokenizer
        let bos = try #require(tokenizer.bosID)
        let tokens = [bos] + tokenizer.encode(Self.text, addSpecial: false, parseSpecial: false)
        let result = try PerplexityEvaluation(context: 32, windows: 4).run(text: Self.text, engine: engine)
        let expected = try recomputed(engine, tokens: tokens, context: 32, windows: 4, first: bos)
        #expect(abs(result.perplexity / expected.perplexity - 1) < 1e-5)
        let without = try recomputed(engine, tokens: tokens, context: 32, windows: 4)
        #expect(abs(without.perplexity / expected.perplexity - 1) > 1e-4, "the first token makes a difference")
    }

    @Test func allWindowsAreScoredByDefaultAndReported() throws {
        let engine = try engine("tied", cache: "nf4")
        let tokens = engine.model.tokenizer.encode(Self.text, addSpecial: false, parseSpecial: false)
        var reports: [EvaluationProgress] = []
        let run = EvaluationRun(onProgress: { reports.append($0) })
        let result = try PerplexityEvaluation(context: 100).run(text: Self.text, engine: engine, run: run)
        #expect(result.windows == tokens.count / 100)
        #expect(reports.map(\.finished) == Array(1...result.windows))
        #expect(reports.allSatisfy { $0.total == result.windows && $0.resumed == 0 })
        // One window's pages at a time, and none afterwards.
        #expect(result.cacheBytes == engine.plan.bytes(forTokens: 100))
        #expect(engine.pool.bytesInUse == 0)
    }

    // MARK: The strided form

    /// The loop that Hugging Face's guide "Perplexity of fixed-length models" gives, window by window.
    private func documentedLoop(
        _ engine: InferenceEngine, tokens: [Int32], context: Int, stride: Int, windows: Int? = nil
    ) throws -> (perplexity: Double, windows: Int) {
        var (sum, count, previousEnd, done) = (0.0, 0, 0, 0)
        for begin in Swift.stride(from: 0, to: tokens.count, by: stride) {
            let end = min(begin + context, tokens.count)
            let targets = end - previousEnd
            let window = Array(tokens[begin..<end])
            let sequence = engine.makeSequence()
            try engine.run(ForwardStep([.init(sequence: sequence, tokens: window)]))
            let width = engine.vocabularySize
            var logits = [Float](repeating: 0, count: window.count * width)
            logits.withUnsafeMutableBufferPointer { engine.logits(rows: 0..<window.count, into: $0) }
            // Labels are shifted: token i is predicted at i - 1, and the first token of a window by nothing.
            let scored = max(window.count - targets, 1)..<window.count
            let losses = scored.map { position in
                let row = logits[(position - 1) * width..<position * width].map(Double.init)
                return log(row.reduce(0) { $0 + exp($1) }) - row[Int(window[position])]
            }
            let mean = losses.isEmpty ? 0 : losses.reduce(0, +) / Double(losses.count)
            sum += mean * Double(targets - 1)
            count += targets - 1
            previousEnd = end
            done += 1
            if end == tokens.count || done == windows { break }
        }
        return (exp(sum / Double(count)), done)
    }

    @Test(arguments: [(64, 24), (64, 64), (50, 49), (130, 70), (40, 2)])
    func stridedFormIsTheDocumentedLoop(context: Int, stride: Int) throws {
        let engine = try engine("tied", cache: "nf4/b32")
        let text = Array(Self.text.prefix(260))
        let tokens = engine.model.tokenizer.encode(text, addSpecial: true, parseSpecial: false)
        let result = try PerplexityEvaluation(context: context, form: .strided(stride)).run(text: text, engine: engine)
        let expected = try documentedLoop(engine, tokens: tokens, context: context, stride: stride)
        #expect(result.windows == expected.windows)
        #expect(abs(result.perplexity / expected.perplexity - 1) < 1e-5)
        // Every token is scored once, but for the first of each window that shares nothing with the one before.
        #expect(result.tokens == tokens.count - (stride == context ? result.windows : 1))
        let some = try PerplexityEvaluation(context: context, windows: 2, form: .strided(stride)).run(
            text: text, engine: engine)
        let two = try documentedLoop(engine, tokens: tokens, context: context, stride: stride, windows: 2)
        #expect(some.windows == 2 && abs(some.perplexity / two.perplexity - 1) < 1e-5)
    }

    @Test func impossibleStridesAreRefused() throws {
        for stride in [0, 1, -3, 65] {
            let error = #expect(throws: EvaluationError.self) {
                try PerplexityEvaluation(context: 64, form: .strided(stride))
            }
            #expect(error?.description.contains("stride of \(stride)") == true)
        }
    }

    // MARK: Exact prompts

    @Test func exactPromptChangesNothingForACacheThatKeepsEverything() throws {
        let engine = try engine("tied", cache: "f32")
        let evaluation = try PerplexityEvaluation(context: 200, windows: 2)
        let own = try evaluation.run(text: Self.text, engine: engine)
        let exact = try evaluation.run(text: Self.text, engine: engine, exact: self.engine("tied", cache: "f32"))
        // The step is cut elsewhere, which changes nothing.
        #expect(exact == own)
    }

    @Test(arguments: ["nf4/b32", "nf2/b32", "nf2/b32; recent=16; sinks=4", "kivi4"])
    func exactPromptIsThatOfAnUnquantizedCache(cache: String) throws {
        let engine = try engine("tied", cache: cache)
        let f32 = try self.engine("tied", cache: "f32")
        let tokens = engine.model.tokenizer.encode(Self.text, addSpecial: true, parseSpecial: false).prefix(200)
        let sequence = engine.makeSequence()
        try ExactPrefill(into: engine, exact: f32).run(tokens[...], into: sequence)
        #expect(sequence.count == 200)
        // The first layer's keys and values do not depend on attention, the last one's do: what was stored is what the
        // codec makes of exact vectors, in every layer.
        let truth = f32.makeSequence()
        try f32.prefill(tokens[...], into: truth)
        let own = engine.makeSequence()
        try engine.prefill(tokens[...], into: own)
        let last = engine.plan.shape.layers - 1
        func distance(_ other: CacheSequence) -> Double {
            var (keys, values, trueKeys, trueValues): ([Float], [Float], [Float], [Float]) = ([], [], [], [])
            other.decode(layer: last, tokens: 0..<200, keys: &keys, values: &values)
            truth.decode(layer: last, tokens: 0..<200, keys: &trueKeys, values: &trueValues)
            return zip(keys + values, trueKeys + trueValues).reduce(0) { $0 + Double(abs($1.0 - $1.1)) }
        }
        #expect(distance(sequence) < distance(own))
    }

    @Test func exactPromptsAreScoredAfterThePromptOnly() throws {
        let engine = try engine("tied", cache: "nf2/b32")
        let evaluation = try PerplexityEvaluation(context: 128, windows: 3)
        let f32 = try self.engine("tied", cache: "f32")
        let exact = try evaluation.run(text: Self.text, engine: engine, exact: f32)
        let own = try evaluation.run(text: Self.text, engine: engine)
        let best = try evaluation.run(text: Self.text, engine: f32)
        #expect(exact.tokens == own.tokens)
        #expect(exact.perplexity != own.perplexity && exact.perplexity != best.perplexity)
        #expect(engine.pool.bytesInUse == 0 && f32.pool.bytesInUse == 0)
    }

    @Test func impossibleWindowsAreRefused() throws {
        for context in [3, 0, -8] {
            let error = #expect(throws: EvaluationError.self) { try PerplexityEvaluation(context: context) }
            #expect(error?.description.contains("\(context) tokens") == true)
        }
        for windows in [0, -1] {
            let error = #expect(throws: EvaluationError.self) {
                try PerplexityEvaluation(context: 32, windows: windows)
            }
            #expect(error?.description.contains("\(windows) windows") == true)
        }
    }

    @Test func textThatDoesNotFillTheWindowsIsRefused() throws {
        let engine = try engine("tied")
        let short = #expect(throws: EvaluationError.self) {
            try PerplexityEvaluation(context: 32).run(text: Array("the end".utf8), engine: engine)
        }
        let count = engine.model.tokenizer.encode("the end", addSpecial: true, parseSpecial: false).count
        #expect(short?.description.contains("\(count) tokens") == true)
        #expect(short?.description.contains("32") == true)
        let many = #expect(throws: EvaluationError.self) {
            try PerplexityEvaluation(context: 100, windows: 1_000).run(text: Self.text, engine: engine)
        }
        #expect(many?.description.contains("1000 windows of 100 tokens") == true)
        #expect(throws: EvaluationError.self) {
            try PerplexityEvaluation(context: 32).run(text: [], engine: engine)
        }
    }

    @Test func windowBeyondTheContextIsRefused() throws {
        let engine = try engine("tied", contextLength: 64)
        let error = #expect(throws: EvaluationError.self) {
            try PerplexityEvaluation(context: 65).run(text: Self.text, engine: engine)
        }
        #expect(error?.description.contains("65") == true)
        #expect(error?.description.contains("64") == true)
        #expect(engine.pool.peakBytes == 0)
    }
}

import Foundation
import KvasirCache
import KvasirCodecs
import KvasirModels
import KvasirNumerics
import Testing

@testable import KvasirEngine

/// Requests served side by side get what they would get alone.
@Suite(.timeLimit(.minutes(2)))
struct ServingEngineTests {
    struct Answer: Equatable {
        var tokens: [Int32] = []
        var text = ""
        var finishReason: FinishReason?
        var cachedTokens = 0
        var promptLogProbabilities: [LogProbabilities] = []
        var logProbabilities: [LogProbabilities] = []
    }

    static func answer(_ events: AsyncThrowingStream<ServingEvent, any Error>) async throws -> Answer {
        var answer = Answer()
        for try await event in events {
            switch event {
            case .prompt(let prompt):
                answer.cachedTokens = prompt.cachedTokens
                answer.promptLogProbabilities = prompt.logProbabilities
            case .token(let token):
                answer.tokens.append(token.token)
                answer.text += token.text
                if let probabilities = token.logProbabilities { answer.logProbabilities.append(probabilities) }
            case .finished(let summary):
                answer.text += summary.text
                answer.finishReason = summary.finishReason
                #expect(summary.tokens == answer.tokens.count)
            }
        }
        return answer
    }

    /// What a session of its own generates.
    static func alone(_ request: ServingRequest, cache: String) throws -> GenerationResult {
        try GenerationSession(TinyModel.quantized.engine(cache: cache, precision: .int8)).generate(
            GenerationRequest(
                prompt: request.prompt, sampling: request.sampling, maxTokens: request.maxTokens, stops: request.stops))
    }

    private static func server(
        cache: String = "nf4/rot", budget: Int = .max, contextLength: Int? = nil,
        limits: Scheduler.Limits = Scheduler.Limits()
    ) throws -> ServingEngine {
        try ServingEngine(
            TinyModel.quantized.engine(
                cache: cache, contextLength: contextLength, cacheBudget: budget, precision: .int8),
            name: "tiny", limits: limits)
    }

    private static func requests(_ count: Int) throws -> [ServingRequest] {
        try (0..<count).map { index in
            ServingRequest(
                prompt: scatteredTokens(20 + index * 37 % 190, seed: UInt32(index)),
                sampling: try SamplingParameters(temperature: index % 3 == 0 ? 0 : 0.9, seed: UInt64(index)),
                maxTokens: 5 + index * 7 % 60)
        }
    }

    /// Every codec: windows, groups, keys of unequal layers.
    @Test(arguments: PrefixReuseTests.codecs + ["nf4; recent=64; sinks=4", "nf4; layers 0=f16"])
    func everyRequestGetsWhatItWouldGetAlone(cache: String) async throws {
        let server = try Self.server(cache: cache)
        let requests = try Self.requests(9)
        let answers = try await withThrowingTaskGroup(of: (Int, Answer).self) { group in
            for (index, request) in requests.enumerated() {
                let events = try server.submit(request)
                group.addTask { (index, try await Self.answer(events)) }
            }
            var answers = [Answer](repeating: Answer(), count: requests.count)
            for try await (index, answer) in group { answers[index] = answer }
            return answers
        }
        for (request, answer) in zip(requests, answers) {
            let expected = try Self.alone(request, cache: cache)
            #expect(answer.tokens == expected.tokens)
            #expect(answer.text == expected.text)
            #expect(answer.finishReason == expected.finishReason)
        }
        let statistics = server.statistics
        #expect(statistics.promptTokens == requests.reduce(0) { $0 + $1.prompt.count })
        #expect(statistics.generatedTokens == answers.reduce(0) { $0 + $1.tokens.count })
        server.shutDown()
    }

    /// A prefix from memory gives the tokens that computing it gives, and is counted.
    @Test(arguments: PrefixReuseTests.sharing + ["nf4; recent=64; sinks=4", "nf4; sinks=70", "nf4; recent=300"])
    func prefixesAreComputedOnce(cache: String) async throws {
        let server = try Self.server(cache: cache)
        let shared = scatteredTokens(200, seed: 7)
        var isFirst = true
        for tail in [scatteredTokens(30, seed: 8), scatteredTokens(70, seed: 9), []] {
            let request = ServingRequest(prompt: shared + tail, sampling: .greedy, maxTokens: 12)
            let answer = try await Self.answer(server.submit(request))
            #expect(answer.tokens == (try Self.alone(request, cache: cache)).tokens)
            #expect(answer.cachedTokens == (isFirst ? 0 : 192))
            isFirst = false
        }
        // The last token of a prompt is always computed.
        let whole = ServingRequest(prompt: Array(shared.prefix(192)), maxTokens: 1)
        #expect(try await Self.answer(server.submit(whole)).cachedTokens == 128)
        server.shutDown()
    }

    /// Where bits follow attention, a prefix is shared when the request that computed it has ended, with the bits it has then:
    /// who finds nothing gets what it would get alone, and the same requests in the same order get the same.
    @Test(arguments: ["qaq", "qaq/min0/max6/ek1/ev0.05/full; sinks=4"])
    func prefixesKeepTheBitsOfTheirOwner(cache: String) async throws {
        let shared = scatteredTokens(200, seed: 7)
        var runs: [[Answer]] = []
        for _ in 0..<2 {
            let server = try Self.server(cache: cache)
            var answers: [Answer] = []
            for tail in [scatteredTokens(30, seed: 8), scatteredTokens(70, seed: 9), []] {
                let request = ServingRequest(prompt: shared + tail, sampling: .greedy, maxTokens: 70)
                answers.append(try await Self.answer(server.submit(request)))
                if answers.count == 1 {
                    #expect(answers[0].tokens == (try Self.alone(request, cache: cache)).tokens)
                }
            }
            #expect(answers.map(\.cachedTokens) == [0, 192, 192])
            server.shutDown()
            #expect(server.statistics.sequenceBytes == 0)
            runs.append(answers)
        }
        #expect(runs[0] == runs[1])
    }

    /// Requests that come together share a prefix too, though none of them has computed it when they come.
    @Test func prefixesAreSharedByThoseWhoComeTogether() async throws {
        let server = try Self.server()
        let shared = scatteredTokens(300, seed: 3)
        let requests = (0..<8).map {
            ServingRequest(prompt: shared + scatteredTokens(20, seed: UInt32($0)), maxTokens: 6)
        }
        let streams = try requests.map { try server.submit($0) }
        var cached = 0
        for (request, stream) in zip(requests, streams) {
            let answer = try await Self.answer(stream)
            cached += answer.cachedTokens
            #expect(answer.tokens == (try Self.alone(request, cache: "nf4/rot")).tokens)
        }
        #expect(cached >= 6 * 256)
        server.shutDown()
    }

    /// With a budget for two of them at a time, six requests lose their cache to one another and still get their tokens.
    @Test(arguments: ["f16", "qaq/min4/max6"])
    func losingTheCacheChangesNoToken(cache: String) async throws {
        let plan = try TinyModel.quantized.engine(cache: cache).plan
        let budget = 7 * plan.pageBytes
        let server = try Self.server(cache: cache, budget: budget, contextLength: 400)
        let requests = (0..<6).map {
            ServingRequest(prompt: scatteredTokens(60 + $0, seed: UInt32($0)), maxTokens: 180)
        }
        let streams = try requests.map { try server.submit($0) }
        for (request, stream) in zip(requests, streams) {
            let answer = try await Self.answer(stream)
            #expect(answer.tokens == (try Self.alone(request, cache: cache)).tokens)
        }
        #expect(server.statistics.preemptions > 0)
        #expect(server.statistics.peakBytes <= budget)
        server.shutDown()
    }

    /// The same with f16 copies beside the pages, of which the pool holds no more than it may.
    @Test(arguments: ["nf4; recent=64; sinks=4", "kivi2/g32/r128"])
    func windowsAreWithinTheBudget(cache: String) async throws {
        let plan = try TinyModel.quantized.engine(cache: cache).plan
        let budget = plan.peakBytes(forTokens: 400, inStepsOf: 128) * 2
        let server = try Self.server(cache: cache, budget: budget, contextLength: 400)
        let shared = scatteredTokens(130, seed: 99)
        let requests = (0..<8).map {
            ServingRequest(
                prompt: ($0 % 2 == 0 ? shared : []) + scatteredTokens(60 + $0, seed: UInt32($0)), maxTokens: 150)
        }
        let streams = try requests.map { try server.submit($0) }
        for (request, stream) in zip(requests, streams) {
            let answer = try await Self.answer(stream)
            #expect(answer.tokens == (try Self.alone(request, cache: cache)).tokens)
        }
        #expect(server.statistics.failed == 0)
        #expect(server.statistics.peakBytes <= budget)
        #expect(server.statistics.sequenceBytes == 0)
        server.shutDown()
    }

    /// What was counted of half a prompt is not counted again when the request is computed once more.
    @Test func aPromptThatIsInterruptedIsReportedOnce() throws {
        let (_, events) = AsyncThrowingStream<ServingEvent, any Error>.makeStream()
        let model = try TinyModel.quantized.load()
        let request = try ActiveRequest(
            1, ServingRequest(prompt: scatteredTokens(200), promptLogProbabilities: 0), limit: 1,
            tokenizer: model.tokenizer, vocabularySize: model.decoder.info.vocabularySize, events: events)
        let logits: [Float] = [0, 1, 2]
        request.found(64)
        request.promptLogProbabilities = [try LogProbabilities(logits: logits.span, chosen: 1, topCount: 0)]
        request.loseCache()
        #expect(request.promptLogProbabilities.isEmpty)
        request.found(128)
        #expect(request.finishPrompt() == 128)
        // Reported: what is found from here on is found for the answer.
        request.loseCache()
        request.found(192)
        #expect(request.finishPrompt() == 0)
    }

    @Test func droppingTheStreamCancelsTheRequest() async throws {
        let server = try Self.server()
        let gate = Gate()
        do {
            var events = try server.submit(
                ServingRequest(prompt: scatteredTokens(300), maxTokens: 700, endsAtEndOfText: false, constraint: gate)
            ).makeAsyncIterator()
            _ = try await events.next()
        }
        // Nobody listens any more when the first token is chosen.
        gate.open()
        while server.statistics.finished[.cancelled] == nil { try await Task.sleep(for: .milliseconds(2)) }
        #expect(server.statistics.running == 0)
        #expect(server.statistics.sequenceBytes == 0)
        server.shutDown()
    }

    @Test func whatCannotBeServedIsRefusedAtOnce() async throws {
        var limits = Scheduler.Limits()
        (limits.running, limits.waiting) = (1, 1)
        let plan = try TinyModel.quantized.engine(cache: "f16").plan
        let server = try Self.server(cache: "f16", budget: 6 * plan.pageBytes, contextLength: 1000, limits: limits)
        func reason(_ request: ServingRequest) -> ServingError.Reason? {
            do throws(ServingError) {
                _ = try server.submit(request)
                return nil
            } catch {
                return error.reason
            }
        }
        #expect(reason(ServingRequest(prompt: [])) == .invalidRequest)
        #expect(reason(ServingRequest(prompt: [-1])) == .invalidRequest)
        #expect(reason(ServingRequest(prompt: [1], maxTokens: -1)) == .invalidRequest)
        #expect(
            reason(ServingRequest(prompt: [1], sampling: try SamplingParameters(logitBias: [99_999: 1])))
                == .invalidRequest)
        #expect(reason(ServingRequest(prompt: scatteredTokens(1000))) == .tooLarge)
        #expect(reason(ServingRequest(prompt: scatteredTokens(300), maxTokens: 200)) == .tooLarge)
        // One runs, one waits, the third is too many.
        let gate = Gate()
        let first = try server.submit(
            ServingRequest(prompt: scatteredTokens(20), maxTokens: 300, endsAtEndOfText: false, constraint: gate))
        while server.statistics.running == 0 { try await Task.sleep(for: .milliseconds(1)) }
        let second = try server.submit(
            ServingRequest(prompt: scatteredTokens(20), maxTokens: 3, endsAtEndOfText: false))
        #expect(reason(ServingRequest(prompt: [1], maxTokens: 1)) == .busy)
        gate.open()
        #expect(server.statistics.refused == 1)
        #expect(try await Self.answer(first).tokens.count == 300)
        #expect(try await Self.answer(second).tokens.count == 3)
        server.shutDown()
        #expect(reason(ServingRequest(prompt: [1], maxTokens: 1)) == .shutDown)
    }

    @Test func aDeadlineEndsARequestWhereverItIs() async throws {
        let server = try Self.server()
        let events = try server.submit(
            ServingRequest(
                prompt: scatteredTokens(50), maxTokens: 900, endsAtEndOfText: false, deadline: .now + .milliseconds(5)))
        let error = await #expect(throws: ServingError.self) { try await Self.answer(events) }
        #expect(error?.reason == .deadline)
        #expect(server.statistics.failed == 1)
        server.shutDown()
    }

    @Test func shuttingDownEndsWhatRuns() async throws {
        let server = try Self.server()
        let events = try server.submit(
            ServingRequest(prompt: scatteredTokens(50), maxTokens: 900, endsAtEndOfText: false))
        server.shutDown()
        #expect(try await Self.answer(events).finishReason == .cancelled)
    }

    /// The probabilities of a prompt's tokens are those of its logits, whatever the cuts and whatever is in memory.
    @Test func promptProbabilitiesAreThoseOfTheLogits() async throws {
        let prompt = scatteredTokens(150, seed: 4)
        let engine = try TinyModel.quantized.engine(cache: "nf4/rot", precision: .int8)
        let sequence = engine.makeSequence()
        try engine.run(.init([.init(sequence: sequence, tokens: prompt)]))
        var expected: [LogProbabilities] = []
        var logits = [Float](repeating: 0, count: engine.vocabularySize)
        for position in 0..<prompt.count - 1 {
            logits.withUnsafeMutableBufferPointer { engine.logits(rows: position..<position + 1, into: $0) }
            expected.append(try LogProbabilities(logits: logits.span, chosen: prompt[position + 1], topCount: 3))
        }
        let server = try Self.server()
        for _ in 0..<2 {
            let answer = try await Self.answer(
                server.submit(
                    ServingRequest(prompt: prompt, maxTokens: 0, topLogProbabilities: 3, promptLogProbabilities: 3)))
            #expect(answer.promptLogProbabilities == expected)
            #expect(answer.tokens.isEmpty && answer.finishReason == .length)
        }
        let generated = try await Self.answer(
            server.submit(ServingRequest(prompt: prompt, maxTokens: 5, topLogProbabilities: 2)))
        #expect(generated.logProbabilities.map(\.chosen.token) == generated.tokens)
        #expect(generated.logProbabilities.allSatisfy { $0.top.count == 2 && $0.top[0].token == $0.chosen.token })
        server.shutDown()
    }
}

/// Holds a request's first token back until it is opened; masks nothing.
private struct Gate: TokenConstraint {
    private let semaphore = DispatchSemaphore(value: 0)
    private var isOpen = false

    func open() { semaphore.signal() }

    mutating func mask(_ logits: UnsafeMutableBufferPointer<Float>) {
        if !isOpen { semaphore.wait() }
        isOpen = true
    }

    mutating func accept(_ token: Int32) {}
}

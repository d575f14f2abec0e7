#if Server
import KvasirCache
import KvasirCodecs
import KvasirEngine
import KvasirNumerics
import KvasirTokenizers
import Synchronization

/// An engine that says what it was told to say, and remembers what it was asked.
final class FakeBackend: ServingBackend {
    /// What happens to a request.
    enum Step: Sendable {
        case event(ServingEvent)
        case pause(Duration)
        /// Nothing more, until somebody cancels.
        case hang
        case fail(any Error & Sendable)
    }

    private struct State {
        var requests: [ServingRequest] = []
        var cancelled = 0
        var refusals: [ServingError] = []
        var statistics = ServingStatistics()
        var isShutDown = false
        var endings: [@Sendable () -> Void] = []
        var sessions: (any ServingSessions)?
    }

    let description: ServingDescription
    private let script: @Sendable (ServingRequest, _ index: Int) -> [Step]
    private let state = Mutex(State())

    init(
        addsBOS: Bool = false, tokenCapacity: Int = 512, cacheBudget: Int = 1 << 20, hasTemplate: Bool = true,
        script: (@Sendable (ServingRequest, _ index: Int) -> [Step])? = nil
    ) throws {
        let tokenizer = try TinyTokenizer.make(addsBOS: addsBOS)
        let source = "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
        let template: Result<ChatTemplate, ChatTemplateError>
        do throws(ChatTemplateError) {
            template = .success(try ChatTemplate(source: hasTemplate ? source : nil))
        } catch {
            template = .failure(error)
        }
        description = ServingDescription(
            name: "tiny", tokenizer: tokenizer, chatTemplate: template, tokenCapacity: tokenCapacity,
            plan: try CachePlan(
                CacheConfiguration(parsing: "nf4/rot; recent=64"),
                shape: CacheShape(layers: 2, heads: HeadShape(kvHeads: 1, headSize: 64), queryHeads: 2),
                instructionSet: .best), cacheBudget: cacheBudget)
        self.script = script ?? { request, _ in FakeBackend.say("hello", tokenizer, request) }
    }

    var sessions: (any ServingSessions)? { state.withLock { $0.sessions } }
    var fakeSessions: (any ServingSessions)? {
        get { sessions }
        set { state.withLock { $0.sessions = newValue } }
    }
    var requests: [ServingRequest] { state.withLock { $0.requests } }
    var cancelled: Int { state.withLock { $0.cancelled } }
    var isShutDown: Bool { state.withLock { $0.isShutDown } }
    var statistics: ServingStatistics {
        get { state.withLock { $0.statistics } }
        set { state.withLock { $0.statistics = newValue } }
    }

    /// Refuses the next requests with these errors, one each.
    func refuse(_ errors: [ServingError]) { state.withLock { $0.refusals = errors } }

    func submit(_ request: ServingRequest) throws(ServingError) -> AsyncThrowingStream<ServingEvent, any Error> {
        let refusal: ServingError? = state.withLock { $0.refusals.isEmpty ? nil : $0.refusals.removeFirst() }
        if let refusal { throw refusal }
        let index = state.withLock { state in
            state.requests.append(request)
            return state.requests.count - 1
        }
        let steps = script(request, index)
        let (stream, continuation) = AsyncThrowingStream<ServingEvent, any Error>.makeStream()
        let task = Task {
            for step in steps {
                switch step {
                case .event(let event): continuation.yield(event)
                case .pause(let time): try? await Task.sleep(for: time)
                case .hang: try? await Task.sleep(for: .seconds(600))
                case .fail(let error): continuation.finish(throwing: error)
                }
                if Task.isCancelled { break }
            }
            continuation.finish()
        }
        continuation.onTermination = { [self] reason in
            task.cancel()
            if case .cancelled = reason { state.withLock { $0.cancelled += 1 } }
        }
        let cancelled = ServingSummary(finishReason: .cancelled, text: "", tokens: 0, seed: 0)
        state.withLock { state in
            state.endings.append {
                continuation.yield(.finished(cancelled))
                continuation.finish()
            }
        }
        return stream
    }

    func shutDown() {
        let endings = state.withLock { state in
            state.isShutDown = true
            return state.endings
        }
        for ending in endings { ending() }
    }

    // MARK: - Scripts

    /// A whole answer: the tokens of a text, up to the most that are wanted.
    static func say(
        _ text: String, _ tokenizer: any Tokenizer, _ request: ServingRequest, cached: Int = 1
    ) -> [Step] {
        let all = tokenizer.encode(text, addSpecial: false, parseSpecial: false)
        let tokens = all.prefix(request.maxTokens ?? all.count)
        var steps: [Step] = [
            .event(
                .prompt(
                    PromptResult(
                        tokens: request.prompt.count, cachedTokens: cached,
                        logProbabilities: request.promptLogProbabilities.map { top in
                            request.prompt.dropFirst().map { probabilities($0, top, tokenizer) }
                        } ?? [])))
        ]
        var decoder = decoder(tokenizer)
        for token in tokens {
            steps.append(
                .event(
                    .token(
                        TokenResult(
                            token: token, text: decoder.append(token),
                            logProbabilities: request.topLogProbabilities.map { probabilities(token, $0, tokenizer) })))
            )
        }
        let reason: FinishReason = tokens.count < all.count || tokens.count == request.maxTokens ? .length : .stop
        steps.append(
            .event(
                .finished(ServingSummary(finishReason: reason, text: decoder.finish(), tokens: tokens.count, seed: 7))))
        return steps
    }

    private static func decoder(_ tokenizer: some Tokenizer) -> StreamingDecoder { StreamingDecoder(tokenizer) }

    /// Half of the probability is the token's whose id follows that of a byte below it; the chosen one is likely if even.
    static func probabilities(_ token: Int32, _ top: Int, _ tokenizer: any Tokenizer) -> LogProbabilities {
        var logits = [Float](repeating: 0, count: tokenizer.vocabularySize)
        // An even token is the likeliest itself, an odd one comes second.
        logits[Int(token)] = 8
        if token % 2 == 1 { logits[Int(token) + 1] = 9 }
        do {
            return try LogProbabilities(logits: logits.span, chosen: token, topCount: top)
        } catch {
            fatalError("the logits are finite: \(error)")
        }
    }
}
#endif

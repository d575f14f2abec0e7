#if Server
internal import CoreMetrics
internal import KvasirEngine
internal import Synchronization

/// What the server itself measures, by the names that vLLM gave them where the meaning is the same.
final class ServerMetrics: Sendable {
    /// Holds all values.
    let factory: PrometheusFactory
    fileprivate let timeToFirstToken: Recorder
    fileprivate let timePerOutputToken: Recorder
    fileprivate let latency: Recorder
    fileprivate let promptTokens: Recorder
    fileprivate let generationTokens: Recorder

    private static let seconds: [Double] = [
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640,
    ]
    private static let tokens: [Double] = [
        1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100_000,
    ]
    private static let requests = "kvasir_http_requests_total"
    private static let aborted = "kvasir_client_disconnects_total"
    private let disconnects: Counter

    init() {
        factory = PrometheusFactory([
            .init(
                name: "vllm:time_to_first_token_seconds", help: "Time from a request's arrival to its first token.",
                buckets: Self.seconds),
            .init(
                name: "vllm:time_per_output_token_seconds", help: "Time between two tokens of an answer.",
                buckets: Self.seconds),
            .init(
                name: "vllm:e2e_request_latency_seconds", help: "Time from a request's arrival to its answer's end.",
                buckets: Self.seconds),
            .init(
                name: "vllm:request_prompt_tokens", help: "Tokens of a prompt.", buckets: Self.tokens),
            .init(
                name: "vllm:request_generation_tokens", help: "Tokens of an answer.", buckets: Self.tokens),
            .init(name: Self.requests, help: "HTTP requests, by route and status."),
            .init(name: Self.aborted, help: "Requests whose client closed the connection before the answer's end."),
        ])
        timeToFirstToken = Recorder(label: "vllm:time_to_first_token_seconds", aggregate: true, factory: factory)
        timePerOutputToken = Recorder(label: "vllm:time_per_output_token_seconds", aggregate: true, factory: factory)
        latency = Recorder(label: "vllm:e2e_request_latency_seconds", aggregate: true, factory: factory)
        promptTokens = Recorder(label: "vllm:request_prompt_tokens", aggregate: true, factory: factory)
        generationTokens = Recorder(label: "vllm:request_generation_tokens", aggregate: true, factory: factory)
        disconnects = Counter(label: Self.aborted, factory: factory)
    }

    /// Counts an answered request.
    func count(method: String, route: String, status: Int) {
        Counter(
            label: Self.requests, dimensions: [("method", method), ("route", route), ("status", String(status))],
            factory: factory
        ).increment()
    }

    /// Counts a client that went before its answer.
    func countDisconnect() { disconnects.increment() }

    /// Starts to measure a request that has arrived.
    func request() -> RequestMetrics { RequestMetrics(self) }
}

/// Measures one request.
final class RequestMetrics: Sendable {
    private struct State {
        var lastToken: [Int: ContinuousClock.Instant] = [:]
    }

    private let metrics: ServerMetrics
    private let start = ContinuousClock.now
    private let state = Mutex(State())

    fileprivate init(_ metrics: ServerMetrics) { self.metrics = metrics }

    /// Records what happens to one of its answers.
    func record(_ event: ServingEvent, choice: Int) {
        let now = ContinuousClock.now
        switch event {
        case .prompt(let prompt): metrics.promptTokens.record(prompt.tokens)
        case .token:
            let last = state.withLock { state in
                let last = state.lastToken[choice]
                state.lastToken[choice] = now
                return last
            }
            if let last {
                metrics.timePerOutputToken.record((now - last) / .seconds(1))
            } else {
                metrics.timeToFirstToken.record((now - start) / .seconds(1))
            }
        case .finished(let summary):
            metrics.generationTokens.record(summary.tokens)
            metrics.latency.record((now - start) / .seconds(1))
        }
    }

    /// Records that there is no answer.
    func fail(_ error: any Error) {
        if error is Generation.ClientGone { metrics.countDisconnect() }
    }
}
#endif

#if Server
internal import HTTPTypes
internal import Hummingbird
internal import KvasirCache
internal import KvasirEngine
internal import NIOCore

/// `GET /metrics`: everything, for Prometheus.
struct MetricsEndpoint: Sendable {
    let model: ServedModel
    let metrics: ServerMetrics

    func respond() -> Response {
        var text = PrometheusText(common: model.current.map { [("model_name", $0.description.name)] } ?? [])
        metrics.factory.write(to: &text)
        if let backend = model.current { Self.write(backend.engine.statistics, backend.description, to: &text) }
        return Response(
            status: .ok, headers: [.contentType: PrometheusText.contentType],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text.text)))
    }

    private static func write(
        _ statistics: ServingStatistics, _ model: ServingDescription, to text: inout PrometheusText
    ) {
        func gauge(_ name: String, _ help: String, _ value: Double) { text.single(name, .gauge, help, value) }
        func counter(_ name: String, _ help: String, _ value: Double) { text.single(name, .counter, help, value) }
        gauge("vllm:num_requests_running", "Requests that are computed.", Double(statistics.running))
        gauge("vllm:num_requests_waiting", "Requests that wait.", Double(statistics.waiting))
        if model.cacheBudget < .max {
            // vLLM says the share of its blocks; here it is the share of the budget's bytes.
            gauge(
                "vllm:kv_cache_usage_perc", "Share of the cache budget in use, 0 to 1; kept prefixes included.",
                Double(statistics.sequenceBytes + statistics.prefixBytes) / Double(max(model.cacheBudget, 1)))
        }
        counter("vllm:prompt_tokens_total", "Tokens of prompts, cached ones included.", Double(statistics.promptTokens))
        counter("vllm:generation_tokens_total", "Tokens generated.", Double(statistics.generatedTokens))
        counter(
            "vllm:prefix_cache_queries_total", "Tokens of prompts that were looked for in the cache.",
            Double(statistics.promptTokens))
        counter(
            "vllm:prefix_cache_hits_total", "Tokens of prompts that were in the cache.",
            Double(statistics.cachedPromptTokens))
        counter(
            "vllm:num_preemptions_total", "Times a request lost its cache to another.", Double(statistics.preemptions))
        text.family("vllm:request_success_total", .counter, "Requests that ended, by why.")
        for (name, reason) in [("stop", FinishReason.stop), ("length", .length), ("abort", .cancelled)] {
            text.sample(
                "vllm:request_success_total", [("finished_reason", name)], Double(statistics.finished[reason] ?? 0))
        }
        counter(
            "kvasir_requests_refused_total", "Requests turned away, the queue being full.", Double(statistics.refused))
        counter("kvasir_requests_failed_total", "Requests that ended with an error.", Double(statistics.failed))
        counter("kvasir_steps_total", "Steps of the engine.", Double(statistics.steps))
        counter("kvasir_step_seconds_total", "Seconds spent in steps.", statistics.stepSeconds)
        writeCache(statistics, model, to: &text)
    }

    private static func writeCache(
        _ statistics: ServingStatistics, _ model: ServingDescription, to text: inout PrometheusText
    ) {
        let plan = model.plan
        text.family("kvasir_cache_bytes", .gauge, "Bytes of cache pages, by whom they belong to.")
        text.sample("kvasir_cache_bytes", [("part", "sequences")], Double(statistics.sequenceBytes))
        text.sample("kvasir_cache_bytes", [("part", "prefixes")], Double(statistics.prefixBytes))
        text.single(
            "kvasir_cache_peak_bytes", .gauge, "The most bytes of pages there ever were.", Double(statistics.peakBytes))
        if model.cacheBudget < .max {
            text.single("kvasir_cache_budget_bytes", .gauge, "The most bytes of pages.", Double(model.cacheBudget))
        }
        text.single(
            "kvasir_cache_tokens", .gauge, "Tokens cached in running sequences.", Double(statistics.cachedTokens))
        text.family("kvasir_cache_bits_per_value", .gauge, "Bits of a cached number, every overhead counted.")
        text.sample("kvasir_cache_bits_per_value", [("part", "keys")], plan.bitsPerValueK)
        text.sample("kvasir_cache_bits_per_value", [("part", "values")], plan.bitsPerValueV)
        text.single("kvasir_cache_bytes_per_token", .gauge, "Bytes of a cached token.", plan.bytesPerToken)
        text.single(
            "kvasir_cache_f16_bytes_per_token", .gauge, "Bytes of a cached token if it were f16.",
            Double(plan.f16BytesPerToken))
        let windows = plan.configuration
        text.family("kvasir_cache_window_tokens", .gauge, "Tokens of a sequence that queries read in f16.")
        for (window, length) in [("recent", windows.recent), ("sinks", windows.sinks)] {
            text.sample("kvasir_cache_window_tokens", [("window", window), ("part", "keys")], Double(length.keys))
            text.sample("kvasir_cache_window_tokens", [("window", window), ("part", "values")], Double(length.values))
        }
    }
}
#endif

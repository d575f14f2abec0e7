#if Server
import CoreMetrics
import HTTPTypes
import HummingbirdTesting
import KvasirCache
import KvasirEngine
import NIOCore
import Testing

@testable import KvasirServer

struct MetricsTests {
    /// The values of a text in Prometheus' format, by name and labels; lines that are none are a failure.
    private func parse(_ text: String) throws -> [String: Double] {
        var values: [String: Double] = [:]
        var types: [String: String] = [:]
        #expect(text.hasSuffix("\n"))
        for line in text.split(separator: "\n") {
            if let match = line.wholeMatch(of: /# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)/) {
                #expect(types[String(match.1)] == nil, "a family is one block")
                types[String(match.1)] = String(match.2)
                continue
            }
            if line.wholeMatch(of: /# HELP [a-zA-Z_:][a-zA-Z0-9_:]* .+/) != nil { continue }
            let sample = try #require(
                line.wholeMatch(
                    of: /([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})? ([-+0-9.e]+|NaN|[+-]Inf)/
                ),
                "not a sample: \(line)")
            let name = String(sample.1)
            let family = name.replacing(/_(bucket|sum|count)$/, with: "")
            #expect(types[name] != nil || types[family] == "histogram", "a sample comes after its type: \(line)")
            values[name + (sample.2.map(String.init) ?? "")] = Double(sample.3)
        }
        return values
    }

    @Test func everythingIsInPrometheusFormat() async throws {
        let backend = try FakeBackend()
        var statistics = ServingStatistics()
        statistics.running = 2
        statistics.promptTokens = 10
        statistics.cachedPromptTokens = 4
        statistics.finished = [.stop: 5, .cancelled: 1]
        statistics.sequenceBytes = 1 << 18
        statistics.prefixBytes = 1 << 18
        backend.statistics = statistics
        let text = try await TestServer.application(backend).test(.router) { client in
            for _ in 0..<2 {
                try await client.execute(
                    uri: "/v1/completions", method: .post, body: .init(string: #"{"prompt":"a"}"#)
                ) { _ in }
            }
            return try await client.execute(uri: "/metrics", method: .get) { response in
                #expect(response.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
                return String(buffer: response.body)
            }
        }
        let values = try parse(text)
        let model = #"{model_name="tiny"}"#
        #expect(values["vllm:num_requests_running\(model)"] == 2)
        #expect(values["vllm:prompt_tokens_total\(model)"] == 10)
        #expect(values["vllm:prefix_cache_hits_total\(model)"] == 4)
        #expect(values["vllm:kv_cache_usage_perc\(model)"] == 0.5)
        #expect(values[#"vllm:request_success_total{model_name="tiny",finished_reason="stop"}"#] == 5)
        #expect(values[#"vllm:request_success_total{model_name="tiny",finished_reason="abort"}"#] == 1)
        #expect(values[#"kvasir_cache_bytes{model_name="tiny",part="sequences"}"#] == 262144)
        let plan = backend.description.plan
        #expect(values[#"kvasir_cache_bits_per_value{model_name="tiny",part="keys"}"#] == plan.bitsPerValueK)
        #expect(values[#"kvasir_cache_window_tokens{model_name="tiny",window="recent",part="keys"}"#] == 64)
        #expect(values["vllm:time_to_first_token_seconds_count\(model)"] == 2)
        #expect(values["vllm:e2e_request_latency_seconds_count\(model)"] == 2)
        #expect(values["vllm:time_per_output_token_seconds_count\(model)"] == 2)
        #expect(values["vllm:request_generation_tokens_sum\(model)"] == 4)
        #expect(
            values[#"kvasir_http_requests_total{model_name="tiny",method="POST",route="/v1/completions",status="200"}"#]
                == 2)
    }

    @Test func histogramsCountWhatIsAtMostTheirBounds() {
        let factory = PrometheusFactory([.init(name: "x_seconds", help: "a \\ b\nc", buckets: [0.1, 1])])
        let recorder = Recorder(label: "x_seconds", dimensions: [("k", "a\"b")], aggregate: true, factory: factory)
        for value in [0.1, 0.5, 3] { recorder.record(value) }
        Timer(label: "x_seconds", dimensions: [("k", "a\"b")], factory: factory).recordNanoseconds(50_000_000)
        Counter(label: "y_total", factory: factory).increment(by: 3)
        Counter(label: "y_total", factory: factory).increment()
        Meter(label: "z", factory: factory).set(1.5)
        var text = PrometheusText()
        factory.write(to: &text)
        #expect(
            text.text == """
                # HELP x_seconds a \\\\ b\\nc
                # TYPE x_seconds histogram
                x_seconds_bucket{k="a\\"b",le="0.1"} 2
                x_seconds_bucket{k="a\\"b",le="1"} 3
                x_seconds_bucket{k="a\\"b",le="+Inf"} 4
                x_seconds_sum{k="a\\"b"} 3.65
                x_seconds_count{k="a\\"b"} 4
                # HELP y_total y_total
                # TYPE y_total counter
                y_total 4
                # HELP z z
                # TYPE z gauge
                z 1.5

                """)
    }
}
#endif

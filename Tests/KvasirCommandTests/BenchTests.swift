import Foundation
import Testing

/// `kvasir bench` with the tiny random model.
struct BenchTests {
    @Test("Every cell is timed with every cache, and the bytes are those of its sequences")
    func cells() async throws {
        let outcome = try await Program.with {
            try await $0.run(
                "bench", "--model", Program.tinyModel, "--depth", "0,100", "--prompt", "70", "--batch", "2", "--repeat",
                "2", "--cache", "f16", "--cache", "K=f16,V=nf4", "--json")
        }
        #expect(outcome.status == 0)
        let report = try object(outcome)
        let results = try #require(report["results"] as? [[String: Any]])
        let names = results.map {
            "\($0["test"] ?? "") \($0["tokens"] ?? "") \($0["sequences"] ?? "") \($0["cache"] ?? "")"
        }
        #expect(
            names == [
                "decode 0 1 f16", "decode 0 1 K=f16,V=nf4/b256", "decode 100 1 f16", "decode 100 1 K=f16,V=nf4/b256",
                "prefill 70 1 f16", "prefill 70 1 K=f16,V=nf4/b256", "batch 512 2 f16",
                "batch 512 2 K=f16,V=nf4/b256",
            ])
        // 2 layers of 32 values a token; 16 and 16, or 16 and 4.5 bits.
        let page = (f16: 64 * 2 * 128, mixed: 64 * 2 * 82)
        #expect(
            results.map { $0["cacheBytes"] as? Int } == [
                page.f16, page.mixed, 3 * page.f16, 3 * page.mixed, 2 * page.f16, 2 * page.mixed, 20 * page.f16,
                20 * page.mixed,
            ])
        for result in results {
            let median = try #require(result["median"] as? Double)
            #expect(median > 0)
            #expect(try #require(result["minimum"] as? Double) <= median)
            #expect(try #require(result["maximum"] as? Double) >= median)
        }
    }

    @Test(
        "What cannot be timed is refused before anything is run",
        arguments: [
            (["--depth=-1"], 2, "depth -1"), (["--depth", "many"], 2, "--depth"), (["--repeat", "0"], 2, "0 repeats"),
            (["--batch", "0"], 2, "batch of 0"), (["--cache", "nf44"], 2, "nf4"),
            (["--depth", "9999999"], 1, "context"),
        ])
    func refusals(arguments: [String], status: Int32, message: String) async throws {
        let outcome = try await Program.with { try await $0.run(["bench", "--model", Program.tinyModel] + arguments) }
        #expect(outcome.status == status)
        #expect(outcome.output.isEmpty)
        #expect(outcome.message.contains(message))
    }
}

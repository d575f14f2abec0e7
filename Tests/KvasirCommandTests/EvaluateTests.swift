import Foundation
import Testing

/// `kvasir evaluate perplexity` with the tiny random model.
struct EvaluateTests {
    private static let text = String(repeating: "the cat in the hat sat on the mat and ", count: 40)

    private func evaluate(_ arguments: String...) async throws -> (Program.Outcome, [String: Any]) {
        try await Program.with { program in
            try Self.text.write(toFile: "\(program.home)/text.txt", atomically: true, encoding: .utf8)
            let outcome = try await program.run(
                ["evaluate", "perplexity", "--text", "text.txt", "--model", Program.tinyModel, "--context", "64"]
                    + ["--json"] + arguments)
            return (outcome, try object(outcome))
        }
    }

    @Test("The object has every key, and the counts follow from the chunks")
    func keys() async throws {
        let (outcome, object) = try await evaluate("--chunks", "3", "--cache", "K=f16,V=nf4,f32")
        #expect(outcome.status == 0)
        #expect(outcome.error.isEmpty)
        #expect(
            object.keys.sorted() == [
                "command", "created", "format", "kind", "kvasirVersion", "machine", "model", "results", "settings",
                "version",
            ])
        #expect(object["format"] as? String == "kvasir-result")
        #expect(object["kind"] as? String == "perplexity")
        #expect((object["command"] as? [String])?.prefix(3) == ["kvasir", "evaluate", "perplexity"])
        let model = try #require(object["model"] as? [String: Any])
        #expect(model["file"] as? String == "tiny" && model["architecture"] as? String == "llama")
        let settings = try #require(object["settings"] as? [String: Any])
        #expect(settings["context"] as? Int == 64)
        #expect(settings["chunks"] as? Int == 3)
        #expect(settings["form"] as? String == "windows")
        #expect(settings["linear"] as? String == "int8")
        #expect(settings["prefill"] as? String == "cache")
        #expect(settings["plainAttention"] as? Bool == false)
        #expect(settings["text"] as? String == "text.txt")
        let results = try #require(object["results"] as? [String: Any])
        #expect(results["chunks"] as? Int == 3)
        // Positions 32 to 62 of each chunk are scored.
        #expect(results["tokens"] as? Int == 3 * 31)
        let rows = try #require(results["caches"] as? [[String: Any]])
        #expect(rows.map { $0["cache"] as? String } == ["K=f16,V=nf4/b256", "f32"])
        #expect(rows[0]["bitsPerValueK"] as? Double == 16)
        #expect(rows[0]["bitsPerValueV"] as? Double == 4.5)
        #expect(rows[0]["cacheBytes"] as? Int == 64 * 2 * 32 * 41 / 16)
        for row in rows {
            let perplexity = try #require(row["perplexity"] as? Double)
            #expect(perplexity.isFinite && perplexity > 1)
            #expect(try #require(row["standardError"] as? Double) > 0)
        }
    }

    @Test("The same text gives the same figure, and the precision of linear layers changes it little")
    func linear() async throws {
        // In f16: a cache of few bits would amplify the rounding of the linear layers.
        let (_, first) = try await evaluate("--chunks", "2", "--cache", "f16")
        let (_, again) = try await evaluate("--chunks", "2", "--cache", "f16")
        let (_, exact) = try await evaluate("--chunks", "2", "--cache", "f16", "--linear", "float32")
        func perplexity(_ object: [String: Any]) throws -> Double {
            try #require(caches(object).first?["perplexity"] as? Double)
        }
        let rounded = try perplexity(first)
        let float = try perplexity(exact)
        #expect(try perplexity(again) == rounded)
        #expect((exact["settings"] as? [String: Any])?["linear"] as? String == "float32")
        #expect(rounded != float)
        #expect(abs(rounded - float) < 0.05 * float)
    }

    @Test("A figure without a standard error is still an object")
    func oneScoredToken() async throws {
        try await Program.with { program in
            try Self.text.write(toFile: "\(program.home)/text.txt", atomically: true, encoding: .utf8)
            let outcome = try await program.run(
                "evaluate", "perplexity", "--text", "text.txt", "--model", Program.tinyModel, "--context", "4",
                "--chunks", "1", "--json")
            #expect(outcome.status == 0)
            let results = try #require(try object(outcome)["results"] as? [String: Any])
            #expect(results["tokens"] as? Int == 1)
            #expect(try caches(object(outcome)).allSatisfy { !($0["standardError"] is Double) })
        }
    }

    @Test("Divergence: the reference does not diverge from itself, four bits do")
    func divergence() async throws {
        let outcome = try await Program.with { program in
            try Self.text.write(toFile: "\(program.home)/text.txt", atomically: true, encoding: .utf8)
            return try await program.run([
                "evaluate", "divergence", "--text", "text.txt", "--model", Program.tinyModel, "--context", "64",
                "--chunks", "2", "--cache", "f16,K=f16,V=nf4,nf4", "--json",
            ])
        }
        let report = try object(outcome)
        #expect(outcome.status == 0)
        #expect((report["settings"] as? [String: Any])?["linear"] as? String == "float32")
        #expect((report["results"] as? [String: Any])?["tokens"] as? Int == 2 * 31)
        let results = try caches(report)
        #expect(results.map { $0["cache"] as? String } == ["f16", "K=f16,V=nf4/b256", "nf4/b256"])
        let means = try results.map { try #require($0["mean"] as? Double) }
        #expect(means[0] < 1e-12 && means[1] > means[0] && means[2] > means[1])
        #expect(results[0]["sameTop"] as? Double == 1)
        #expect(results[0]["perplexityChange"] as? Double == 0)
        let parts = try #require(results[2]["byPosition"] as? [[String: Any]])
        #expect(parts.count == 8 && parts.allSatisfy { ($0["mean"] as? Double ?? 0) > 0 })
        #expect(parts.first?["firstPosition"] as? Int == 32 && parts.last?["lastPosition"] as? Int == 62)
    }

    /// What a result says of every cache.
    private func caches(_ object: [String: Any]) throws -> [[String: Any]] {
        let results = try #require(object["results"] as? [String: Any])
        return try #require(results["caches"] as? [[String: Any]])
    }
}

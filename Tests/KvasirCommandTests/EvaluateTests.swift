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
        let (outcome, object) = try await evaluate("--chunks", "3", "--cache", "K=f16,V=nf4")
        #expect(outcome.status == 0)
        #expect(outcome.error.isEmpty)
        #expect(
            object.keys.sorted() == [
                "bitsPerValueK", "bitsPerValueV", "cache", "cacheBytes", "chunks", "context", "linear", "model",
                "perplexity", "plainAttention", "standardError", "tokens",
            ])
        #expect(object["chunks"] as? Int == 3)
        // Positions 32 to 62 of each chunk are scored.
        #expect(object["tokens"] as? Int == 3 * 31)
        #expect(object["context"] as? Int == 64)
        #expect(object["bitsPerValueK"] as? Double == 16)
        #expect(object["bitsPerValueV"] as? Double == 4.5)
        #expect(object["cacheBytes"] as? Int == 64 * 2 * 32 * 41 / 16)
        #expect(object["cache"] as? String == "K=f16,V=nf4/b256")
        #expect(object["linear"] as? String == "int8")
        #expect(object["plainAttention"] as? Bool == false)
        #expect(object["model"] as? String == "tiny")
        let perplexity = try #require(object["perplexity"] as? Double)
        #expect(perplexity.isFinite && perplexity > 1)
        #expect(try #require(object["standardError"] as? Double) > 0)
    }

    @Test("The same text gives the same figure, and the precision of linear layers changes it little")
    func linear() async throws {
        // In f16: a cache of few bits would amplify the rounding of the linear layers.
        let (_, first) = try await evaluate("--chunks", "2", "--cache", "f16")
        let (_, again) = try await evaluate("--chunks", "2", "--cache", "f16")
        let (_, exact) = try await evaluate("--chunks", "2", "--cache", "f16", "--linear", "float32")
        let rounded = try #require(first["perplexity"] as? Double)
        let float = try #require(exact["perplexity"] as? Double)
        #expect(again["perplexity"] as? Double == rounded)
        #expect(exact["linear"] as? String == "float32")
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
            #expect(try object(outcome)["tokens"] as? Int == 1)
            #expect(try object(outcome)["standardError"] is Double == false)
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
        #expect(report["linear"] as? String == "float32")
        #expect(report["tokens"] as? Int == 2 * 31)
        let results = try #require(report["results"] as? [[String: Any]])
        #expect(results.map { $0["cache"] as? String } == ["f16", "K=f16,V=nf4/b256", "nf4/b256"])
        let means = try results.map { try #require($0["mean"] as? Double) }
        #expect(means[0] < 1e-12 && means[1] > means[0] && means[2] > means[1])
        #expect(results[0]["sameTop"] as? Double == 1)
        #expect(results[0]["perplexityChange"] as? Double == 0)
    }
}

import Foundation
import Testing

/// `kvasir generate --session`: a cache that outlives the program.
struct SessionTests {
    private static let text = String(repeating: "the cat sat on the mat and looked at the moon. ", count: 12)

    private func arguments(_ prompt: String, cache: String = "nf4") -> [String] {
        [
            "generate", prompt, "--json", "--temperature", "0", "--max-tokens", "6", "--model", Program.tinyModel,
            "--cache",
            cache, "--session", "talk", "--session-dir", "sessions",
        ]
    }

    @Test("What one run has saved the next does not compute, and its text is the same")
    func goesOn() async throws {
        try await Program.with { program in
            let first = try await program.run(arguments(Self.text))
            #expect(first.status == 0)
            #expect(first.error.contains("session 'talk' is new"))
            #expect(first.error.contains("tokens saved"))
            let again = try await program.run(arguments(Self.text))
            #expect(again.status == 0)
            let (one, two) = (try object(first), try object(again))
            #expect(one["text"] as? String == two["text"] as? String)
            #expect(one["cachedPromptTokens"] as? Int == 0)
            let cached = try #require(two["cachedPromptTokens"] as? Int)
            let prompt = try #require(two["promptTokens"] as? Int)
            #expect(cached >= prompt - 64 && cached > 0)
            let other = try await program.run(arguments(Self.text, cache: "f16"))
            #expect(other.status == 1)
            #expect(other.message.contains("was saved with cache nf4") && other.message.contains("here it is f16"))
        }
    }

    @Test("What cannot be a session is refused")
    func refusals() async throws {
        try await Program.with { program in
            let windows = try await program.run(arguments(Self.text, cache: "nf4; recent=64"))
            #expect(windows.status == 2)
            #expect(windows.message.contains("windows"))
            let base = ["generate", "a", "--model", Program.tinyModel]
            for (options, message) in [
                (["--session", "a"], "give both"), (["--session-dir", "."], "give both"),
                (["--session", "../a", "--session-dir", "."], "session '../a'"),
                (["--session", "a", "--session-dir", "/dev/null"], "session directory"),
            ] {
                let outcome = try await program.run(base + options)
                #expect(outcome.status == 2)
                #expect(outcome.message.contains(message), "\(outcome.message)")
            }
            let short = try await program.run(
                base + ["--max-tokens", "2", "--session", "a", "--session-dir", "sessions"])
            #expect(short.status == 1)
            #expect(short.error.contains("whole pages of 64 tokens"))
        }
    }

    private func object(_ outcome: Program.Outcome) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    }
}

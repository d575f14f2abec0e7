import Foundation
import Testing

/// `kvasir chat` with a tiny random model and piped input.
struct ChatTests {
    private static let arguments = [
        "chat", "--temperature", "0", "--max-tokens", "12", "--verbose", "--model", Program.tinyModel,
    ]

    /// The numbers of a turn's summary: tokens cached, new and generated.
    private func turns(_ outcome: Program.Outcome) throws -> [[Int]] {
        outcome.error.matches(of: /\((\d+) tokens cached \+ (\d+) new; (\d+) generated/).map { match in
            [match.output.1, match.output.2, match.output.3].compactMap { Int($0) }
        }
    }

    @Test("Standard output holds the answers and nothing else")
    func outputIsAnswers() async throws {
        try await Program.with { program in
            let both = try await program.run(Self.arguments, input: "hello\n\nthe cat\n")
            let first = try await program.run(Self.arguments, input: "hello\n")
            #expect(both.status == 0)
            #expect(both.output.hasPrefix(first.output))
            #expect(both.output.count > first.output.count)
            let quiet = try await program.run(
                Self.arguments.filter { $0 != "--verbose" }, input: "hello\n/exit\nmore\n")
            #expect(quiet.output == first.output)
            #expect(quiet.error.isEmpty)
        }
    }

    @Test("A model without a choice about thinking is not asked to leave it out")
    func noThinking() async throws {
        let outcome = try await Program.with { try await $0.run(Self.arguments + ["--no-thinking"], input: "hello\n") }
        #expect(outcome.status == 1 && outcome.message.contains("no choice about thinking"))
        #expect(outcome.output.isEmpty)
    }

    @Test("A turn computes only what is new; /reset forgets everything")
    func cacheIsKept() async throws {
        let outcome = try await Program.with {
            try await $0.run(Self.arguments, input: "hello\nhello\n/reset\nhello\n")
        }
        let turns = try turns(outcome)
        try #require(turns.count == 3)
        // The last token of an answer is not in the cache yet: nothing has asked what follows it.
        #expect(turns[0][0] == 0 && turns[0][2] == 12)
        #expect(turns[1][0] == turns[0][1] + 11)
        // That token, the end of the answer's turn, and the same message again.
        #expect(turns[1][1] <= 1 + 2 + turns[0][1])
        #expect(turns[2] == turns[0])
        #expect(outcome.error.contains("(the conversation is forgotten)"))
    }

    @Test("A system message goes first")
    func systemMessage() async throws {
        try await Program.with { program in
            let plain = try turns(try await program.run(Self.arguments, input: "hello\n"))
            let told = try turns(try await program.run(Self.arguments + ["--system", "Be brief."], input: "hello\n"))
            try #require(plain.count == 1 && told.count == 1)
            #expect(told[0][1] > plain[0][1])
        }
    }

    @Test("A conversation that outgrows its context says so and can start over", arguments: ["context", "budget"])
    func overflow(limit: String) async throws {
        // Either holds one page of 64 tokens.
        let limits = limit == "context" ? ["--context", "64"] : ["--cache-budget", "\(64 * 2 * 2 * 18)"]
        let long = String(repeating: "many words ", count: 20)
        let outcome = try await Program.with {
            try await $0.run(Self.arguments + limits, input: "a\n\(long)\nb\n/reset\na\n")
        }
        #expect(outcome.status == 0)
        let errors = outcome.error.split(separator: "\n").filter { $0.hasPrefix("kvasir: ") }
        #expect(errors.count >= 1)
        #expect(errors.allSatisfy { $0.hasSuffix("/reset starts over") })
        let turns = try turns(outcome)
        #expect(turns.first == turns.last && turns.count >= 2)
    }

    @Test("A word behind a slash is no message")
    func unknownCommand() async throws {
        let outcome = try await Program.with { try await $0.run(Self.arguments, input: "/help\n") }
        #expect(outcome.status == 0)
        #expect(outcome.output.isEmpty)
        #expect(outcome.message.contains("no command /help"))
    }

    @Test("Ctrl-C ends a conversation whose input is no terminal, with what was said")
    func interrupt() async throws {
        let outcome = try await Program.with { program in
            try await program.interrupt(
                "chat", "--temperature", "0", "--model", Program.tinyModel, input: "hello\nhello\n")
        }
        #expect(outcome.status == 130)
        #expect(!outcome.output.isEmpty)
    }

    @Test("A model without a template is refused in one line")
    func noTemplate() async throws {
        try await Program.with { program in
            var bytes = [UInt8](try Data(contentsOf: URL(filePath: Program.tinyModel)))
            let key = try #require(bytes.firstRange(of: Array("tokenizer.chat_template".utf8)))
            bytes.replaceSubrange(key, with: "tokenizer.chat_templatf".utf8)
            let path = "\(program.home)/plain.gguf"
            try Data(bytes).write(to: URL(filePath: path))
            let outcome = try await program.run("chat", "--model", path)
            #expect(outcome.status == 1)
            #expect(outcome.error.split(separator: "\n").count == 1)
            #expect(outcome.message.hasPrefix("kvasir: ") && outcome.message.contains("chat_template"))
        }
    }
}

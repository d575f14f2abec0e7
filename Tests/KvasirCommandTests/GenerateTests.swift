import Foundation
import Testing

/// `kvasir generate` with a tiny random model.
struct GenerateTests {
    private static let greedy = ["--temperature", "0", "--max-tokens", "20", "--model", Program.tinyModel]

    @Test("Text goes to standard output and nothing else; the summary goes to standard error")
    func streamsAreApart() async throws {
        let (plain, machine) = try await Program.with {
            (
                try await $0.run(["generate", "the cat"] + Self.greedy),
                try await $0.run(["generate", "the cat", "--json"] + Self.greedy)
            )
        }
        #expect(plain.status == 0)
        let text = try #require(try object(machine)["text"] as? String)
        #expect(plain.output == (text.hasSuffix("\n") ? text : text + "\n"))
        for label in ["model", "cache", "sampling", "tokens", "speed", "f16", "bits/value", "tokens/s"] {
            #expect(plain.error.contains(label))
        }
        #expect(machine.status == 0)
        #expect(machine.error.isEmpty)
    }

    @Test("The object holds text, ids, counts, timings and cache figures that agree", arguments: ["nf4", "f16"])
    func objectIsComplete(codec: String) async throws {
        let outcome = try await Program.with {
            try await $0.run(["generate", "the cat", "--json", "--cache", codec] + Self.greedy)
        }
        let object = try object(outcome)
        let tokens = try #require(object["tokens"] as? [Int])
        let prompt = try #require(object["promptTokens"] as? Int)
        #expect(tokens.count == 20)
        #expect(object["generatedTokens"] as? Int == 20)
        #expect(object["finishReason"] as? String == "length")
        #expect(prompt > 0)
        #expect(object["seed"] is Int)
        let timings = try #require(object["timings"] as? [String: Double])
        #expect(
            timings.keys.sorted() == [
                "decodeSeconds", "decodeTokensPerSecond", "prefillSeconds", "prefillTokensPerSecond",
            ])
        #expect(timings.values.allSatisfy { $0 > 0 && $0.isFinite })
        let cache = try #require(object["cache"] as? [String: Any])
        #expect(cache["cachedTokens"] as? Int == prompt + 19)
        #expect(cache["context"] as? Int == 32768)
        let bits = codec == "f16" ? 16.0 : 4.5
        #expect(cache["bitsPerValueK"] as? Double == bits)
        #expect(cache["bitsPerValueV"] as? Double == bits)
        // One page: 64 tokens, 2 layers, K and V, 32 values.
        #expect(cache["f16Bytes"] as? Int == 64 * 2 * 2 * 32 * 2)
        #expect(cache["cacheBytes"] as? Int == Int(64 * 2 * 2 * 32 * bits / 8))
        let footprint = try #require(cache["footprint"] as? [String: Int])
        let parts = footprint.filter { $0.key != "total" }.values.reduce(0, +)
        #expect(parts == footprint["total"])
        #expect(footprint["total"] == cache["cacheBytes"] as? Int)
    }

    @Test("-ctk and -ctv are --cache in two halves; one alone leaves the other at the default")
    func cacheTypes() async throws {
        func configuration(_ arguments: String...) async throws -> String? {
            let outcome = try await Program.with {
                try await $0.run(["generate", "a", "--json"] + Self.greedy + arguments)
            }
            return (try object(outcome)["cache"] as? [String: Any])?["configuration"] as? String
        }
        #expect(try await configuration() == "nf4/b256/rot")
        #expect(try await configuration("-ctk", "f16", "-ctv", "f32") == "K=f16,V=f32")
        #expect(try await configuration("--cache-type-k", "f16") == "K=f16,V=nf4/b256/rot")
        #expect(try await configuration("-ctv", "nf4/b32") == "K=nf4/b256/rot,V=nf4/b32")
        #expect(try await configuration("--cache", "k=f16, v=nf4/b64") == "K=f16,V=nf4/b64")
    }

    @Test("The prompt may come from standard input, whose last line break is not part of it")
    func promptFromStandardInput() async throws {
        try await Program.with { program in
            let arguments = ["--json"] + Self.greedy
            let expected = try object(try await program.run(["generate", "the cat"] + arguments))["tokens"] as? [Int]
            #expect(expected?.count == 20)
            for input in ["the cat", "the cat\n", "the cat\r\n"] {
                for form in [[], ["-"]] {
                    let outcome = try await program.run(["generate"] + form + arguments, input: input)
                    #expect(try object(outcome)["tokens"] as? [Int] == expected)
                }
            }
            let other = try await program.run(["generate"] + arguments, input: "the cat\n\n")
            #expect(try object(other)["promptTokens"] as? Int != nil)
            #expect(try object(other)["tokens"] as? [Int] != expected)
        }
    }

    @Test("The seed that is printed gives the same text again")
    func seedReproduces() async throws {
        try await Program.with { program in
            let arguments = ["generate", "the", "--json", "--max-tokens", "12", "--model", Program.tinyModel]
            let first = try object(try await program.run(arguments))
            let seed = try #require(first["seed"] as? Int)
            let again = try object(try await program.run(arguments + ["--seed", "\(seed)"]))
            let other = try object(try await program.run(arguments + ["--seed", "\(seed ^ 1)"]))
            #expect(first["tokens"] as? [Int] == again["tokens"] as? [Int])
            #expect(first["tokens"] as? [Int] != other["tokens"] as? [Int])
        }
    }

    @Test("A stop string ends the text before it")
    func stopString() async throws {
        try await Program.with { program in
            let arguments = ["generate", "the cat", "--json"] + Self.greedy
            let whole = try #require(try object(try await program.run(arguments))["text"] as? String)
            let stop = String(Array(whole)[4...5])
            let cut = try object(try await program.run(arguments + ["--stop", "never there", "--stop", stop]))
            let beginning = try #require(whole.range(of: stop)).lowerBound
            #expect(cut["text"] as? String == String(whole[..<beginning]))
            #expect(cut["finishReason"] as? String == "stop")
        }
    }

    @Test("A budget that holds prompt and answer is enough; a byte less is refused before any text")
    func cacheBudget() async throws {
        try await Program.with { program in
            // 7 tokens at most: one page.
            let page = 64 * 2 * 2 * 18
            let arguments = ["generate", "a", "--max-tokens", "4", "--model", Program.tinyModel, "--cache-budget"]
            let enough = try await program.run(arguments + ["\(page)"])
            let short = try await program.run(arguments + ["\(page - 1)"])
            #expect(enough.status == 0)
            #expect(short.status == 1)
            #expect(short.output.isEmpty)
            #expect(short.message.contains("\(page) bytes"))
        }
    }

    @Test("Ctrl-C keeps what was generated, says so, and ends with 130")
    func interrupt() async throws {
        let outcome = try await Program.with {
            try await $0.interrupt(
                "generate", "the cat", "--temperature", "0", "--max-tokens", "30000", "--model", Program.tinyModel)
        }
        #expect(outcome.status == 130)
        #expect(!outcome.output.isEmpty && outcome.output.hasSuffix("\n"))
        #expect(outcome.error.contains("interrupted"))
        #expect(!outcome.error.contains("kvasir: "))
    }

    @Test("A reader that goes away ends the program without a word")
    func brokenPipe() async throws {
        let outcome = try await Program.with {
            try await $0.shell(
                "{ \"$KVASIR\" generate 'the cat' --max-tokens 30000 --model \"$MODEL\"; echo \"status $?\" >&2; } "
                    + "| head -c 1 > /dev/null")
        }
        #expect(outcome.error == "status 141\n")
    }

    @Test("A full disk is reported")
    func fullDisk() async throws {
        guard FileManager.default.fileExists(atPath: "/dev/full") else { return }
        let outcome = try await Program.with {
            try await $0.shell("\"$KVASIR\" generate 'the cat' --max-tokens 30000 --model \"$MODEL\" > /dev/full")
        }
        #expect(outcome.status == 1)
        #expect(outcome.error.hasPrefix("kvasir: cannot write to standard output"))
    }
}

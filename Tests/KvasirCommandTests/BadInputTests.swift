import Foundation
import Testing

/// Every mistake has one line on standard error that begins with the program's name, and its exit status.
struct BadInputTests {
    struct Mistake: CustomTestStringConvertible, Sendable {
        let arguments: [String]
        /// What the line must say.
        let says: [String]
        var environment: [String: String] = [:]
        var testDescription: String { arguments.joined(separator: " ") }
    }

    private static let generate = ["generate", "Hello", "--model", Program.tinyModel]
    private static let explain = ["explain", "--model", Program.tinyModel]
    private static let normality = ["evaluate", "normality", "--text", "/dev/null", "--model", Program.tinyModel]
    private static let entropy = ["evaluate", "entropy", "--text", "/dev/null", "--model", Program.tinyModel]
    private static let needle = ["evaluate", "needle", "--model", Program.tinyModel]
    private static let generation = ["evaluate", "generation", "--model", Program.tinyModel]

    /// Mistakes the parser sees; it adds a usage line.
    static let unparsable: [Mistake] = [
        Mistake(arguments: ["generatte"], says: ["generatte"]),
        Mistake(arguments: generate + ["--colour"], says: ["--colour"]),
        Mistake(arguments: generate + ["--max-tokens", "many"], says: ["many", "--max-tokens"]),
        Mistake(arguments: generate + ["--max-tokens", "0"], says: ["--max-tokens is 0"]),
        Mistake(arguments: generate + ["--context", "0"], says: ["--context is 0"]),
        Mistake(arguments: generate + ["--cache", "f16", "-ctk", "nf4"], says: ["--cache", "--cache-type-k"]),
        Mistake(arguments: generate + ["--cache", "f16", "--cache-type-v", "nf4"], says: ["--cache-type-v"]),
        Mistake(arguments: ["generate", ""], says: ["prompt is empty"]),
        Mistake(arguments: ["pull"], says: ["name"]),
        Mistake(arguments: ["evaluate", "perplexity"], says: ["--text"]),
        Mistake(arguments: ["evaluate", "perplexity", "--text", "x", "--context", "3"], says: ["3 tokens"]),
        Mistake(arguments: ["evaluate", "perplexity", "--text", "x", "--chunks", "0"], says: ["0 windows"]),
        Mistake(arguments: ["evaluate", "divergence", "--text", "x", "--context", "3"], says: ["3 tokens"]),
        Mistake(
            arguments: ["evaluate", "perplexity", "--text", "x", "--stride", "600"], says: ["stride of 600", "512"]),
        Mistake(arguments: ["evaluate", "perplexity", "--text", "x", "--prefill", "none"], says: ["none", "exact"]),
        Mistake(arguments: ["evaluate", "tasks"], says: ["--data"]),
        Mistake(
            arguments: ["evaluate", "tasks", "--data", "x", "--task", "piqa,lambada"], says: ["lambada", "winogrande"]),
        Mistake(arguments: ["evaluate", "tasks", "--data", "x", "--task", "rte,rte"], says: ["rte", "twice"]),
        Mistake(arguments: ["evaluate", "tasks", "--data", "x", "--task", ""], says: ["''", "winogrande"]),
        Mistake(arguments: ["evaluate", "tasks", "--data", "x", "--limit", "0"], says: ["--limit", "0"]),
        Mistake(arguments: ["evaluate", "tasks", "--data", "x", "--context", "-1"], says: ["--context"]),
        Mistake(arguments: normality + ["--unit", "16"], says: ["unit '16'", "at least 20"]),
        Mistake(arguments: normality + ["--unit", "token,,64"], says: ["unit ''"]),
        Mistake(arguments: normality + ["--layers", "first"], says: ["--layers is 'first'"]),
        Mistake(arguments: normality + ["--basis", "turned"], says: ["turned", "plain"]),
        Mistake(arguments: normality + ["--chunks", "0"], says: ["0 windows"]),
        Mistake(arguments: normality + ["--cache", "nf4"], says: ["--cache has no place"]),
        Mistake(arguments: entropy + ["--cache", "nf4"], says: ["--cache has no place"]),
        Mistake(arguments: entropy + ["--linear", "int8"], says: ["--linear int8 has no place"]),
        Mistake(arguments: entropy + ["--bins", "17"], says: ["17 bins", "2 to 16"]),
        Mistake(arguments: entropy + ["--layers", "first"], says: ["--layers is 'first'"]),
        Mistake(arguments: needle + ["--trials", "0"], says: ["0 trials"]),
        Mistake(arguments: needle + ["--depths", "0,150"], says: ["depth 150"]),
        Mistake(arguments: needle + ["--lengths", "64"], says: ["length of 64 tokens"]),
        Mistake(arguments: needle + ["--lengths", "none"], says: ["no lengths"]),
        Mistake(arguments: needle + ["--mode", "multi", "--keys", "1"], says: ["1 keys"]),
        Mistake(arguments: needle + ["--mode", "double"], says: ["double", "single"]),
        Mistake(arguments: generation + ["--tokens", "3"], says: ["3 tokens to generate"]),
        Mistake(arguments: generation + ["--prompts", "0"], says: ["--prompts is 0"]),
        Mistake(arguments: generation + ["--prompts", "9"], says: ["--prompts is 9", "--text"]),
        Mistake(arguments: generation + ["--prompt-tokens", "0"], says: ["--prompt-tokens is 0"]),
        Mistake(arguments: ["evaluate", "perplexity", "--text", "x", "--linear", "int4"], says: ["int4", "float32"]),
    ]

    /// Mistakes that the libraries see.
    static let impossible: [Mistake] = [
        Mistake(arguments: generate + ["--cache", "K=f16"], says: ["V is missing"]),
        Mistake(arguments: generate + ["--cache", "nf4/b100"], says: ["b100", "b256"]),
        Mistake(arguments: ["evaluate", "divergence", "--text", "x", "--cache", "nf5"], says: ["nf5", "nf4"]),
        Mistake(arguments: ["evaluate", "divergence", "--text", "x", "--reference", "f61"], says: ["f61", "f16"]),
        Mistake(arguments: generate + ["-ctk", "f15"], says: ["'f15'", "did you mean 'f16'?"]),
        Mistake(arguments: generate + ["--cache-budget", "lots"], says: ["--cache-budget", "'lots'", "512MiB"]),
        Mistake(arguments: generate + ["--cache-budget", "0"], says: ["--cache-budget", "'0'"]),
        Mistake(arguments: generate + ["--threads", "0"], says: ["--threads", "0 threads", "use 1 to"]),
        Mistake(arguments: generate + ["--threads", "100000"], says: ["100000 threads"]),
        Mistake(arguments: generate + ["--temperature=-1"], says: ["--temperature", "-1"]),
        Mistake(arguments: generate + ["--top-p", "1.5"], says: ["--top-p", "1.5"]),
        Mistake(arguments: generate + ["--min-p", "nan"], says: ["--min-p", "nan"]),
        Mistake(arguments: generate + ["--repetition-penalty", "0"], says: ["--repetition-penalty"]),
        Mistake(arguments: generate + ["--stop", ""], says: ["--stop", "empty"]),
        Mistake(arguments: ["generate", "Hello", "--model", "hf:nobody"], says: ["hf:OWNER/REPO"]),
        Mistake(arguments: generate, says: ["KVASIR_ISA", "'mmx'"], environment: ["KVASIR_ISA": "mmx"]),
        Mistake(arguments: explain + ["--cache", "nf5"], says: ["did you mean"]),
        Mistake(arguments: ["generate", "-", "--model", Program.tinyModel], says: ["prompt is empty"]),
    ]

    /// Requests that make sense but cannot be met.
    static let failing: [Mistake] = [
        Mistake(arguments: ["generate", "Hello", "--model", "nowhere.gguf"], says: ["no file nowhere.gguf"]),
        Mistake(arguments: ["generate", "Hello", "--model", "smollm2-136m"], says: ["did you mean smollm2-135m?"]),
        Mistake(arguments: ["generate", "Hello", "--model", "/bin/sh"], says: ["/bin/sh", "GGUF"]),
        Mistake(arguments: ["explain", "--model", "/bin/sh"], says: ["/bin/sh", "GGUF"]),
        Mistake(arguments: ["generate", "Hello", "--model", "/"], says: ["/"]),
        Mistake(arguments: ["pull", "hf:a/b:c.gguf"], says: ["127.0.0.1"]),
        Mistake(
            arguments: generate + ["--context", "40000"], says: ["context of 40000 tokens", "1 to 32768"]),
        Mistake(arguments: explain + ["--context", "40000"], says: ["context of 40000 tokens"]),
        Mistake(
            arguments: generate + ["--context", "2"], says: ["prompt of", "the context holds 2"]),
        // 5 + 256 tokens are 5 pages of 64 tokens; a token takes 18 bytes as K and as V in each of 2 layers.
        Mistake(
            arguments: generate + ["--cache-budget", "10kB"],
            says: ["261 tokens need 22.5 KiB of cache (23040 bytes)", "9.8 KiB holds 128", "--cache-budget"]),
        Mistake(
            arguments: ["evaluate", "perplexity", "--text", "nowhere.txt", "--model", Program.tinyModel],
            says: ["cannot read nowhere.txt"]),
        Mistake(
            arguments: ["evaluate", "perplexity", "--text", "/dev/null", "--model", Program.tinyModel],
            says: ["a text of 0 tokens"]),
        Mistake(arguments: normality, says: ["a text of 0 tokens"]),
        Mistake(arguments: entropy, says: ["a text of 0 tokens"]),
        Mistake(arguments: normality + ["--layers", "0-7"], says: ["layer 7", "layers 0 to 1"]),
        Mistake(arguments: normality + ["--context", "100000"], says: ["context of 100000", "32768"]),
        Mistake(arguments: needle + ["--lengths", "256,40000"], says: ["context of 40000", "32768"]),
        Mistake(arguments: needle + ["--text", "/dev/null"], says: ["a text without sentences"]),
        Mistake(arguments: needle + ["--text", "nowhere.txt"], says: ["cannot read nowhere.txt"]),
        Mistake(arguments: generation + ["--tokens", "40000"], says: ["context of 40", "32768"]),
        Mistake(arguments: generation + ["--text", "/dev/null"], says: ["a text of 0 tokens", "4 prompts of 64"]),
    ]

    private func run(_ mistake: Mistake) async throws -> Program.Outcome {
        try await Program.with { program in
            var program = program
            program.environment.merge(mistake.environment) { $1 }
            return try await program.run(mistake.arguments)
        }
    }

    private func check(_ outcome: Program.Outcome, _ mistake: Mistake, status: Int32) {
        #expect(outcome.status == status)
        #expect(outcome.output.isEmpty)
        #expect(outcome.message.hasPrefix("kvasir: "))
        for text in mistake.says { #expect(outcome.message.contains(text), "\(outcome.message)") }
    }

    @Test("What the parser refuses ends with 2", arguments: unparsable)
    func parserErrors(mistake: Mistake) async throws {
        let outcome = try await run(mistake)
        check(outcome, mistake, status: 2)
        #expect(outcome.error.contains("Usage: kvasir"))
    }

    @Test("What makes no sense ends with 2 and one line", arguments: impossible)
    func usageErrors(mistake: Mistake) async throws {
        let outcome = try await run(mistake)
        check(outcome, mistake, status: 2)
        #expect(outcome.error.split(separator: "\n").count == 1, "\(outcome.error)")
    }

    @Test("What cannot be met ends with 1", arguments: failing)
    func failures(mistake: Mistake) async throws {
        let outcome = try await run(mistake)
        check(outcome, mistake, status: 1)
        let errors = outcome.error.split(separator: "\n").filter { $0.hasPrefix("kvasir: ") }
        #expect(errors.count == 1, "\(outcome.error)")
    }

    @Test("A command line that makes no sense fetches nothing")
    func usageIsCheckedFirst() async throws {
        try await Program.with { program in
            let outcome = try await program.run("generate", "Hello", "--cache", "nf5")
            #expect(outcome.status == 2)
            #expect(!FileManager.default.fileExists(atPath: "\(program.home)/cache"))
        }
    }

    @Test("A model of an unsupported architecture is named")
    func unsupportedArchitecture() async throws {
        try await Program.with { program in
            var bytes = [UInt8](try Data(contentsOf: URL(filePath: Program.tinyModel)))
            let name = Array("general.architecture".utf8)
            let key = try #require(bytes.firstRange(of: name))
            // After the key: the type of the value (4 bytes), its length (8), and "llama".
            let value = key.upperBound + 12
            #expect(bytes[value..<value + 5].elementsEqual("llama".utf8))
            bytes.replaceSubrange(value..<value + 5, with: "mamba".utf8)
            let path = "\(program.home)/other.gguf"
            try Data(bytes).write(to: URL(filePath: path))
            for command in [["generate", "Hello"], ["explain"]] {
                let outcome = try await program.run(command + ["--model", path])
                #expect(outcome.status == 1)
                #expect(outcome.message.contains("mamba") && outcome.message.contains("supported: llama"))
            }
        }
    }
}

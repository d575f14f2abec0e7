import Foundation
import Testing

/// What `--help` prints, compared with the files in `Snapshots`.
///
/// After a change that is meant, run the tests once with `KVASIR_UPDATE_SNAPSHOTS=1` and read the difference.
struct HelpTests {
    static let commands =
        [
            "", "generate", "chat", "models", "pull", "explain", "codecs", "calibrate", "calibrate center",
            "calibrate coupled", "calibrate qaq", "calibrate smoothquant", "evaluate", "evaluate perplexity",
            "evaluate divergence",
            "evaluate tasks", "evaluate needle", "evaluate generation", "evaluate normality", "evaluate entropy",
            "bench",
            "report", "reproduce", "reproduce nqkv",
        ] + serving

    private static var serving: [String] {
        #if Server
        ["serve"]
        #else
        []
        #endif
    }

    /// The list of commands without the one that this build does not have.
    private static func known(_ list: String) -> String {
        #if Server
        list
        #else
        list.split(separator: "\n", omittingEmptySubsequences: false).filter { !$0.hasPrefix("  serve ") }
            .joined(separator: "\n")
        #endif
    }

    @Test("Help is as it was read last", arguments: commands)
    func helpMatchesSnapshot(command: String) async throws {
        let words = command.split(separator: " ").map(String.init)
        let outcome = try await Program.with { try await $0.run(words + ["--help"]) }
        #expect(outcome.status == 0)
        #expect(outcome.error.isEmpty)
        let name = (["kvasir"] + words).joined(separator: "-") + ".txt"
        let source = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Snapshots/\(name)")
        if ProcessInfo.processInfo.environment["KVASIR_UPDATE_SNAPSHOTS"] != nil {
            try outcome.output.write(to: source, atomically: true, encoding: .utf8)
        }
        let snapshot = try String(contentsOf: source, encoding: .utf8)
        #expect(outcome.output == (command.isEmpty ? Self.known(snapshot) : snapshot))
    }

    @Test(
        "Without a command, and for a command of commands, help is printed",
        arguments: [[], ["evaluate"], ["reproduce"]])
    func helpWithoutCommand(words: [String]) async throws {
        let (plain, help) = try await Program.with {
            (try await $0.run(words), try await $0.run(words + ["--help"]))
        }
        #expect(plain.status == 0)
        #expect(plain.output == help.output)
        #expect(plain.error.isEmpty)
    }

    @Test("The version is one line on standard output")
    func version() async throws {
        let outcome = try await Program.with { try await $0.run("--version") }
        #expect(outcome.status == 0)
        #expect(outcome.output.wholeMatch(of: /\d+\.\d+\.\d+\n/) != nil)
        #expect(outcome.error.isEmpty)
    }
}

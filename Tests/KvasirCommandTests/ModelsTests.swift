import Foundation
import Testing

/// `kvasir models` and `kvasir pull`, with an empty store and no network.
struct ModelsTests {
    @Test("An empty store lists what can be fetched, and creates nothing")
    func emptyStore() async throws {
        try await Program.with { program in
            let text = try await program.run("models")
            #expect(text.status == 0)
            #expect(text.output.contains("smollm2-135m") && text.output.contains("kvasir pull smollm2-135m"))
            let listing = try object(try await program.run("models", "--json"))
            #expect(listing["directory"] as? String == "\(program.home)/cache/kvasir/models")
            #expect((listing["models"] as? [Any])?.isEmpty == true)
            #expect(listing["available"] as? [String] == ["smollm2-135m"])
            #expect(!FileManager.default.fileExists(atPath: "\(program.home)/cache"))
        }
    }

    @Test(
        "A model that cannot be fetched is a failure in one line, after what was being done",
        arguments: [["pull", "smollm2-135m"], ["generate", "Hello"], ["chat"], ["explain"]])
    func pullFails(arguments: [String]) async throws {
        let outcome = try await Program.with { try await $0.run(arguments) }
        #expect(outcome.status == 1)
        #expect(outcome.output.isEmpty)
        #expect(outcome.error.split(separator: "\n").last?.hasPrefix("kvasir: ") == true)
        #expect(outcome.error.contains("No matching distribution"))
    }

    @Test("A file needs no pull: its path is the answer")
    func pullFile() async throws {
        let outcome = try await Program.with { try await $0.run("pull", Program.tinyModel) }
        #expect(outcome.status == 0)
        #expect(outcome.output == Program.tinyModel + "\n")
        #expect(outcome.error.isEmpty)
    }
}

import Foundation
import Testing

/// `kvasir calibrate qaq` and what is shown of bits that follow attention, with a tiny model.
struct CalibrateQaqTests {
    private static let cache = ["--cache", "qaq/min0/max6/ek1/ev0.05"]

    /// A copy of a tiny model in the program's directory, and a text.
    private static func prepare(_ program: Program) throws -> (model: String, text: String) {
        let source = URL(filePath: #filePath).appending(path: "../../KvasirModelsTests/Fixtures/tiny-tied.gguf")
            .standardized
        let path = "\(program.home)/tied.gguf"
        try FileManager.default.copyItem(atPath: source.path, toPath: path)
        let text = "\(program.home)/text.txt"
        try Data(String(repeating: "the cat sat on the mat and ", count: 60).utf8).write(to: URL(filePath: text))
        return (path, text)
    }

    @Test("Query norms are measured, found beside the model, and else measured on a built-in text")
    func calibrated() async throws {
        try await Program.with { program in
            let (model, text) = try Self.prepare(program)
            let unknown = try await program.run(["explain", "--model", model] + Self.cache)
            #expect(unknown.status == 0 && unknown.message.contains("kvasir calibrate qaq"))
            let command = ["generate", "the", "--model", model, "--max-tokens", "4", "--temperature", "0"] + Self.cache
            let builtIn = try await program.run(command)
            #expect(builtIn.status == 0 && builtIn.message.contains("short built-in text"))
            let made = try await program.run(["calibrate", "qaq", "--model", model, "--text", text])
            #expect(made.status == 0 && made.output.contains("\(model).qaq.safetensors"))
            let first = try Data(contentsOf: URL(filePath: "\(model).qaq.safetensors"))
            _ = try await program.run(["calibrate", "qaq", "--model", model, "--text", text])
            #expect(try Data(contentsOf: URL(filePath: "\(model).qaq.safetensors")) == first)
            let known = try await program.run(command)
            #expect(known.status == 0 && !known.message.contains("built-in"))
            let plan = try await program.run(["explain", "--model", model] + Self.cache)
            #expect(plan.status == 0 && !plan.message.contains("kvasir calibrate qaq"))
        }
    }

    @Test("A calibration of another model is refused")
    func refused() async throws {
        try await Program.with { program in
            let (model, text) = try Self.prepare(program)
            let other = URL(filePath: #filePath).appending(path: "../../KvasirModelsTests/Fixtures/tiny-separate.gguf")
                .standardized.path
            let file = "\(program.home)/qaq.safetensors"
            let made = try await program.run(
                ["calibrate", "qaq", "--model", other, "--text", text, "--output", file])
            #expect(made.status == 0)
            let outcome = try await program.run(
                ["generate", "the", "--model", model, "--calibration", file] + Self.cache)
            #expect(outcome.status != 0 && outcome.message.contains("was made for model"))
            let short = try await program.run(["calibrate", "qaq", "--model", model, "--text", text, "--tokens", "9"])
            #expect(short.status != 0 && short.message.contains("256"))
        }
    }

    @Test(
        "After a run the distribution of bits, and of those that are read, is shown by layer, for people and for machines"
    )
    func distribution() async throws {
        try await Program.with { program in
            let (model, text) = try Self.prepare(program)
            let command = ["explain", "--model", model, "--context", "200", "--text", text] + Self.cache
            let shown = try await program.run(command)
            #expect(shown.status == 0 && shown.output.contains("WITH OVERHEADS"))
            let json = try await program.run(command + ["--json"])
            let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
            let adaptive = try #require(object?["adaptive"] as? [String: Any])
            let parts = try #require(adaptive["parts"] as? [[String: Any]])
            #expect(adaptive["tokens"] as? Int == 200)
            #expect(parts.allSatisfy { ($0["histogram"] as? [Int])?.count == 9 })
            #expect(parts.contains { ($0["lowered"] as? Int ?? 0) > 0 })
            let byNeed = ["explain", "--model", model, "--context", "200", "--text", text, "--cache", "aligned8"]
            let read = try await program.run(byNeed)
            #expect(read.status == 0 && read.output.contains("READ OF A VALUE"))
            let refused = try await program.run(
                ["explain", "--model", model, "--text", text, "--cache", "nf4"])
            #expect(refused.status == 2 && refused.message.contains("--text"))
        }
    }
}

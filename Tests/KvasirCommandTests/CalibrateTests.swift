import Foundation
import Testing

/// `kvasir calibrate center` with the tiny models, copied to where their calibration may lie beside them.
struct CalibrateTests {
    private static let cache = ["--cache", "K=nf4/center,V=nf4"]

    /// A copy of a tiny model in the program's directory.
    private static func model(_ program: Program, _ name: String = "tied") throws -> String {
        // The models lie with the tests of another layer.
        let source = URL(filePath: #filePath).appending(path: "../../KvasirModelsTests/Fixtures/tiny-\(name).gguf")
            .standardized
        let path = "\(program.home)/\(name).gguf"
        try FileManager.default.copyItem(atPath: source.path, toPath: path)
        return path
    }

    @Test("Without a calibration the codec is refused with the command that makes one; with it, it runs")
    func calibrated() async throws {
        try await Program.with { program in
            let model = try Self.model(program)
            let before = try await program.run(["explain", "--model", model] + Self.cache)
            #expect(before.status == 1 && before.message.contains("kvasir calibrate center"))
            let made = try await program.run(["calibrate", "center", "--model", model])
            #expect(made.status == 0 && made.output.contains("\(model).center.safetensors"))
            let after = try await program.run(["explain", "--model", model] + Self.cache)
            #expect(after.status == 0 && after.output.contains("nf4/b256/center"))
            #expect(after.output.contains("tables, shared by all"))
            let text = try await program.run(
                ["generate", "the", "--model", model, "--max-tokens", "4", "--temperature", "0"] + Self.cache)
            #expect(text.status == 0)
            // The same seed, the same text, the same file.
            let first = try Data(contentsOf: URL(filePath: "\(model).center.safetensors"))
            _ = try await program.run(["calibrate", "center", "--model", model])
            #expect(try Data(contentsOf: URL(filePath: "\(model).center.safetensors")) == first)
        }
    }

    @Test("A calibration of another model, a damaged one and one that is not there are refused")
    func refused() async throws {
        try await Program.with { program in
            let (model, other) = (try Self.model(program), try Self.model(program, "separate"))
            let file = "\(program.home)/center.safetensors"
            let made = try await program.run(["calibrate", "center", "--model", other, "--output", file])
            #expect(made.status == 0)
            func refusal(_ calibration: String) async throws -> Program.Outcome {
                try await program.run(["generate", "the", "--model", model, "--calibration", calibration] + Self.cache)
            }
            let foreign = try await refusal(file)
            #expect(foreign.status != 0 && foreign.message.contains("was made for model"))
            try Data("safetensors".utf8).write(to: URL(filePath: file))
            let damaged = try await refusal(file)
            #expect(damaged.status != 0 && damaged.message.contains("make it anew"))
            let missing = try await refusal("\(program.home)/nothing")
            #expect(missing.status != 0 && missing.message.contains("cannot read"))
        }
    }

    @Test("Too little text and a place that cannot be written are refused, and leave no file")
    func impossible() async throws {
        try await Program.with { program in
            let model = try Self.model(program)
            let text = "\(program.home)/text"
            try "the cat".write(toFile: text, atomically: true, encoding: .utf8)
            let short = try await program.run(["calibrate", "center", "--model", model, "--text", text])
            #expect(short.status != 0 && short.message.contains("256"))
            #expect(!FileManager.default.fileExists(atPath: "\(model).center.safetensors"))
            let nowhere = try await program.run(
                ["calibrate", "center", "--model", model, "--output", "\(program.home)/no/such/place"])
            #expect(nowhere.status != 0 && nowhere.message.contains("cannot write"))
            let none = try await program.run(["calibrate", "center", "--tokens", "0"])
            #expect(none.status == 2 && none.message.contains("--tokens"))
        }
    }

    @Test("8-bit weights want the ranges of this model, and run with them")
    func smoothquant() async throws {
        try await Program.with { program in
            let (model, other) = (try Self.model(program), try Self.model(program, "separate"))
            func generate(_ weights: String, _ more: [String] = []) async throws -> Program.Outcome {
                try await program.run(
                    ["generate", "the", "--model", model, "--max-tokens", "4", "--temperature", "0", "--json"]
                        + ["--weights", weights] + more)
            }
            for weights in ["w8a8", "w8a8-static"] {
                let before = try await generate(weights)
                #expect(before.status == 1 && before.message.contains("kvasir calibrate smoothquant"))
            }
            #expect(try await generate("w8a8-unsmoothed").status == 0)
            #expect(try await generate("int4").status == 2)
            let made = try await program.run(["calibrate", "smoothquant", "--model", model])
            #expect(made.status == 0 && made.output.contains("\(model).smoothquant.safetensors"), "\(made.error)")
            let first = try Data(contentsOf: URL(filePath: "\(model).smoothquant.safetensors"))
            _ = try await program.run(["calibrate", "smoothquant", "--model", model])
            #expect(try Data(contentsOf: URL(filePath: "\(model).smoothquant.safetensors")) == first)
            for weights in ["w8a8", "w8a8-static"] { #expect(try await generate(weights).status == 0) }
            // A file of codebooks or means is passed over; another model's ranges are refused.
            let foreign = "\(program.home)/foreign.safetensors"
            let moved = try await program.run(
                ["calibrate", "smoothquant", "--model", other, "--output", foreign, "--alpha", "0.8"]
                    + ["--sites", "attention,mlp"])
            #expect(moved.status == 0, "\(moved.error)")
            let refused = try await generate("w8a8", ["--calibration", foreign])
            #expect(refused.status == 1 && refused.message.contains("was made for model"))
        }
    }

    @Test("Ranges that make no sense are refused before a model is read")
    func smoothquantMistakes() async throws {
        try await Program.with { program in
            for (arguments, text) in [
                (["--alpha", "1.5"], "--alpha"), (["--alpha", "nan"], "--alpha"), (["--tokens", "0"], "--tokens"),
                (["--sites", "attention,norm"], "--sites"), (["--sites", ""], "--sites"),
            ] {
                let outcome = try await program.run(["calibrate", "smoothquant"] + arguments)
                #expect(outcome.status == 2 && outcome.message.contains(text), "\(arguments): \(outcome.error)")
            }
        }
    }
}

import Foundation
import Testing

/// A checkpoint in the layout of facebook/opt-125m, from its folder to the experiments of the NQKV paper.
///
/// The folder is what `scripts/make-opt-checkpoint Tests/KvasirCommandTests/Fixtures/opt-tiny --text FILE --steps 0 --hidden
/// 32 --layers 2 --heads 2 --context 256 --vocabulary 320` makes of the first 60,000 bytes of WikiText-2's training text.
struct OPTCheckpointTests {
    private static let fixture = URL(filePath: Program.tinyModel).deletingLastPathComponent().appending(
        path: "opt-tiny")

    /// A copy of the folder in the program's directory, a text, and what `body` makes of them.
    private func with<Value>(_ body: (Program) async throws -> Value) async throws -> Value {
        try await Program.with { program in
            try FileManager.default.copyItem(
                at: Self.fixture, to: URL(filePath: program.home).appending(path: "opt-tiny"))
            let folder = "\(program.home)/data/wikitext-2-raw"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try String(repeating: "The cat in the hat sat on the mat and the dog did not. ", count: 200)
                .write(toFile: "\(folder)/wiki.test.raw", atomically: true, encoding: .utf8)
            return try await body(program)
        }
    }

    private let text = ["--model", "opt-tiny", "--text", "data/wikitext-2-raw/wiki.test.raw"]

    @Test("It is explained, generates, and is evaluated with the file's weights and with 8-bit ones")
    func evaluated() async throws {
        try await with { program in
            let plan = try await program.run(["explain", "--model", "opt-tiny", "--cache", "nf4/b256"])
            #expect(plan.status == 0 && plan.output.contains("opt"), "\(plan.error)")
            let generated = try await program.run(
                ["generate", "The", "--model", "opt-tiny", "--max-tokens", "4", "--temperature", "0", "--json"])
            #expect(generated.status == 0, "\(generated.error)")
            let calibrated = try await program.run(["calibrate", "smoothquant"] + text)
            #expect(calibrated.status == 0, "\(calibrated.error)")
            #expect(FileManager.default.fileExists(atPath: "\(program.home)/opt-tiny.smoothquant.safetensors"))
            var tables: Set<String> = []
            for weights in ["file", "w8a8", "w8a8-unsmoothed", "w8a8-static"] {
                let outcome = try await program.run(
                    ["evaluate", "perplexity", "--context", "64", "--chunks", "2", "--cache", "f16,nf4/b256"] + text
                        + ["--weights", weights])
                #expect(outcome.status == 0, "\(outcome.error)")
                #expect(outcome.output.contains("opt-tiny" + (weights == "file" ? "," : " (\(weights))")))
                tables.insert(outcome.output)
            }
            #expect(tables.count == 4)
        }
    }

    @Test("The paper's experiments run on it, table 3 from results of the tasks")
    func reproduced() async throws {
        try await with { program in
            // Two items of one task: the numbers mean nothing, the path does.
            try FileManager.default.createDirectory(
                atPath: "\(program.home)/data/zeroshot", withIntermediateDirectories: true)
            let items = (0..<2).map {
                #"{"goal":"Sit \#($0)","sol1":"on the mat","sol2":"in the hat","label":\#($0)}"#
            }
            try items.joined(separator: "\n").write(
                toFile: "\(program.home)/data/zeroshot/piqa.jsonl", atomically: true, encoding: .utf8)
            _ = try await program.run(["calibrate", "smoothquant"] + text)
            for (weights, name) in [("file", "plain.json"), ("w8a8-static", "rounded.json")] {
                let tasks = try await program.run(
                    ["evaluate", "tasks", "--model", "opt-tiny", "--data", "data/zeroshot", "--task", "piqa"]
                        + ["--cache", "f16,nf4/b256", "--weights", weights, "--output", name])
                #expect(tasks.status == 0, "\(tasks.error)")
            }
            let outcome = try await program.run(
                [
                    "reproduce", "nqkv", "--model", "opt-tiny", "--data", "data", "--output", "made", "--context", "64",
                    "--batches", "2", "--lengths", "16", "--tokens", "4", "--tasks", "plain.json",
                    "--smoothquant-tasks", "rounded.json",
                ])
            #expect(outcome.status == 0, "\(outcome.error)")
            #expect(outcome.output.contains("| opt-tiny, w8a8-static |"))
            #expect(!outcome.output.contains("Not measured here"))
        }
    }

    @Test("A folder that is not whole is refused in one line that names what is missing")
    func incomplete() async throws {
        for (name, said) in [
            ("merges.txt", "no tokenizer"), ("config.json", "no config.json"), ("model.safetensors", "safetensors"),
        ] {
            try await with { program in
                try FileManager.default.removeItem(atPath: "\(program.home)/opt-tiny/\(name)")
                let outcome = try await program.run(["generate", "The", "--model", "opt-tiny"])
                #expect(outcome.status == 1 && outcome.message.contains(said), "\(outcome.error)")
            }
        }
        try await with { program in
            // As the published folder is.
            let folder = "\(program.home)/opt-tiny"
            try FileManager.default.moveItem(
                atPath: "\(folder)/model.safetensors", toPath: "\(folder)/pytorch_model.bin")
            let outcome = try await program.run(["generate", "The", "--model", "opt-tiny"])
            #expect(outcome.status == 1 && outcome.message.contains("pytorch_model.bin"), "\(outcome.error)")
        }
    }
}

import Foundation
import Testing

/// `kvasir reproduce nqkv` with the tiny random model.
struct ReproduceTests {
    private func with<Value>(_ body: (Program, [String]) async throws -> Value) async throws -> Value {
        try await Program.with { program in
            let folder = "\(program.home)/data/wikitext-2-raw"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try String(repeating: "the cat in the hat sat on the mat and ", count: 60)
                .write(toFile: "\(folder)/wiki.test.raw", atomically: true, encoding: .utf8)
            return try await body(
                program,
                [
                    "reproduce", "nqkv", "--model", Program.tinyModel, "--data", "data", "--output", "made/here",
                    "--context", "64", "--batches", "2", "--lengths", "16,32", "--tokens", "4",
                ])
        }
    }

    private func document(_ program: Program, _ name: String) throws -> [String: Any] {
        let data = try Data(contentsOf: URL(filePath: "\(program.home)/made/here/\(name)"))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    @Test(
        "Every experiment has its figures beside the published ones and a sentence, and a second run computes nothing")
    func experiments() async throws {
        try await with { program, command in
            let outcome = try await program.run(command)
            #expect(outcome.status == 0, "\(outcome.error)")
            #expect(outcome.output.hasPrefix("# The experiments of the NQKV paper on tiny\n"))
            #expect(outcome.output.contains("| OPT-6.7B (published) | 8 | 128 | 45.55 | 139.78 | 118.69 |"))
            #expect(outcome.output.contains("| OPT-13B, NQKV (published) | 75.84 |"))
            #expect(!outcome.output.contains("nan"))
            let page = try String(contentsOfFile: "\(program.home)/made/here/nqkv.md", encoding: .utf8)
            #expect(page == outcome.output)

            let results = try #require(try document(program, "nqkv.json")["results"] as? [String: Any])
            let findings = try #require(results["findings"] as? [[String: Any]])
            #expect(findings.count == 7)
            #expect(findings.allSatisfy { ($0["sentence"] as? String)?.hasSuffix(".") == true })
            let serving = try #require(results["serving"] as? [[String: Any]])
            #expect(serving.map { $0["cache"] as? String } == [nil, "f16", "nf4/b256", nil, "f16", "nf4/b256"])
            for (name, kind) in [
                ("normality.json", "normality"), ("throughput.json", "throughput"), ("memory.json", "memory"),
            ] {
                #expect(try document(program, name)["kind"] as? String == kind)
            }

            // Times are measured: were anything computed again, they would differ.
            let again = try await program.run(command)
            #expect(again.output == outcome.output)
            let other = try await program.run(command + ["--cache", "nf3"])
            #expect(other.status == 1 && other.message.contains("holds another run"))
        }
    }

    @Test("Accuracy comes from a result of the tasks of the same model")
    func accuracy() async throws {
        try await with { program, command in
            _ = try await program.run(command)
            let wrong = try await program.run(command + ["--tasks", "made/here/normality.json"])
            #expect(wrong.status == 1 && wrong.message.contains("of kind 'normality'"))

            var tasks = try document(program, "normality.json")
            tasks["kind"] = "tasks"
            func score(_ accuracy: Double, _ difference: Double?) -> [String: Any] {
                var score: [String: Any] = ["task": "piqa", "metric": "acc", "value": accuracy]
                score["difference"] = difference
                score["differenceError"] = difference.map { _ in 0.01 }
                return score
            }
            func cache(_ name: String, _ accuracy: Double, _ difference: Double?) -> [String: Any] {
                [
                    "cache": name,
                    "tasks": [score(accuracy, difference), ["task": "piqa", "metric": "acc_norm", "value": 1]],
                ]
            }
            tasks["results"] = ["caches": [cache("f16", 0.6, nil), cache("nf4/b256", 0.59, -0.01)]]
            try JSONSerialization.data(withJSONObject: tasks).write(to: URL(filePath: "\(program.home)/tasks.json"))
            let outcome = try await program.run(command + ["--tasks", "tasks.json"])
            #expect(outcome.status == 0, "\(outcome.error)")
            #expect(outcome.output.contains("| tiny, nf4/b256 | 59.00 |"))
            #expect(outcome.output.contains("average change -1.00 ± 1.00 points over 1 of the 6 tasks"))
            #expect(
                outcome.output.contains("Not measured here: give the result of 'kvasir evaluate tasks --weights w8a8'"))

            // The same file is none of 8-bit weights, nor the other way round.
            let notRounded = try await program.run(command + ["--smoothquant-tasks", "tasks.json"])
            #expect(notRounded.status == 1 && notRounded.message.contains("weights 'file'"))
            var rounded = tasks
            var model = try #require(rounded["model"] as? [String: Any])
            model["weights"] = "w8a8"
            rounded["model"] = model
            rounded["results"] = ["caches": [cache("f16", 0.58, nil), cache("nf4/b256", 0.585, 0.005)]]
            try JSONSerialization.data(withJSONObject: rounded).write(to: URL(filePath: "\(program.home)/rounded.json"))
            let notPlain = try await program.run(command + ["--tasks", "rounded.json"])
            #expect(notPlain.status == 1 && notPlain.message.contains("weights 'w8a8'"))
            let both = try await program.run(
                command + ["--tasks", "tasks.json", "--smoothquant-tasks", "rounded.json"])
            #expect(both.status == 0, "\(both.error)")
            #expect(both.output.contains("| OPT-1.3B (published) | 51.83 | 51.32 | 50.30 |"))
            #expect(both.output.contains("| tiny, w8a8 | 60.00 | 58.00 | 58.50 |"))
            #expect(both.output.contains("average change 0.50 ± 1.00 points over 1 of the 7 tasks, weights w8a8"))
        }
    }

    @Test("What cannot be reproduced is said before anything is computed")
    func mistakes() async throws {
        try await with { program, command in
            for (arguments, status, text) in [
                (["--cache", "f16"], 2, "--cache f16"), (["--batches", "0"], 2, "batch of 0"),
                (["--tokens", "0"], 2, "0 tokens"), (["--data", "."], 1, "no wikitext-2-raw/wiki.test*.raw"),
                (["--output", "data/wikitext-2-raw/wiki.test.raw"], 1, "cannot make the folder"),
                (["--context", "100000"], 1, "windows of 100000"), (["--tasks", "nowhere.json"], 1, "cannot read"),
            ] as [([String], Int32, String)] {
                let outcome = try await program.run(command + arguments)
                #expect(outcome.status == status, "\(arguments): \(outcome.error)")
                #expect(outcome.message.contains(text), "\(outcome.message)")
                #expect(outcome.output.isEmpty)
            }
        }
    }
}

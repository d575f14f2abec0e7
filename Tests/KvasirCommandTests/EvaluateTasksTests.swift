import Foundation
import Testing

/// `kvasir evaluate tasks` with the tiny random model.
struct EvaluateTasksTests {
    private static let boolQ = (0..<6).map { index in
        #"{"question":"is \#(index) the sum","passage":"Sum -- the \#(index * 7)th of the sums.","label":\#(index % 2)}"#
    }

    private static let hellaSwag = (0..<5).map { index in
        #"{"activity_label":"Sums","ctx_a":"A man adds \#(index).","ctx_b":"he","#
            + #""endings":["adds more.","sums it up [substeps]","","walks"],"label":"\#(index % 4)"}"#
    }

    /// Runs the command with two files in `data`.
    private func evaluate(
        _ arguments: [String], files: [String: [String]] = [:], check: (Program, Program.Outcome) throws -> Void
    ) async throws {
        try await Program.with { program in
            try FileManager.default.createDirectory(
                atPath: "\(program.home)/data", withIntermediateDirectories: true)
            let all = ["boolq": Self.boolQ, "hellaswag": Self.hellaSwag].merging(files) { $1 }
            for (name, lines) in all {
                try (lines.joined(separator: "\n") + "\n").write(
                    toFile: "\(program.home)/data/\(name).jsonl", atomically: true, encoding: .utf8)
            }
            let outcome = try await program.run(
                ["evaluate", "tasks", "--data", "data", "--model", Program.tinyModel] + arguments)
            try check(program, outcome)
        }
    }

    private func tasks(_ cache: [String: Any]) throws -> [[String: Any]] {
        try #require(cache["tasks"] as? [[String: Any]])
    }

    @Test("The object has the settings, and every cache's scores beside the first's")
    func json() async throws {
        try await evaluate(
            ["--task", "hellaswag,boolq", "--cache", "f16,nf4", "--limit", "4", "--log", "log.jsonl", "--json"]
        ) { program, outcome in
            #expect(outcome.status == 0)
            #expect(outcome.error.isEmpty)
            let document = try object(outcome)
            #expect(document["kind"] as? String == "tasks")
            let settings = try #require(document["settings"] as? [String: Any])
            #expect(settings["limit"] as? Int == 4)
            #expect(settings["linear"] as? String == "int8")
            #expect(settings["prefill"] as? String == "cache")
            let read = try #require(settings["tasks"] as? [[String: Any]])
            #expect(read.map { $0["task"] as? String } == ["hellaswag", "boolq"])
            #expect(read.map { $0["version"] as? String } == ["1.0", "2.0"])
            #expect(read.allSatisfy { ($0["sha256"] as? String)?.count == 64 })
            let results = try #require(document["results"] as? [String: Any])
            let caches = try #require(results["caches"] as? [[String: Any]])
            #expect(caches.map { $0["cache"] as? String } == ["f16", "nf4/b256"])
            for (index, cache) in caches.enumerated() {
                let scores = try tasks(cache)
                #expect(scores.map { $0["task"] as? String } == ["hellaswag", "hellaswag", "boolq"])
                #expect(scores.map { $0["metric"] as? String } == ["acc", "acc_norm", "acc"])
                #expect(scores.map { $0["version"] as? String } == ["1.0", "1.0", "2.0"])
                #expect(scores.allSatisfy { $0["items"] as? Int == 4 && $0["truncatedItems"] as? Int == 0 })
                for score in scores + [try #require(cache["average"] as? [String: Any])] {
                    #expect((0...1).contains(try #require(score["value"] as? Double)))
                    #expect(score["standardError"] is Double)
                    #expect((score["difference"] is Double) == (index == 1))
                }
            }
            let log = try String(contentsOfFile: "\(program.home)/log.jsonl", encoding: .utf8)
            #expect(log.split(separator: "\n").count == 2 * 2 * 4)
        }
    }

    @Test("The table has a row for each metric, and says what was cut")
    func table() async throws {
        try await evaluate(["--task", "boolq,hellaswag", "--cache", "f16,f32,nf2", "--context", "12"]) {
            _, outcome in
            #expect(outcome.status == 0)
            let lines = outcome.output.split(separator: "\n").map(String.init)
            #expect(lines.first == "| task | items | metric | f16 | f32 | nf2/b256 |")
            // Six items, of which any number may be right: 0, 1/6, ... and its error.
            #expect(lines.count { $0.hasPrefix("| boolq | 6 | acc | ") && $0.contains(" ± ") } == 1)
            #expect(lines.filter { $0.hasPrefix("| hellaswag | 5 | acc") }.count == 2)
            #expect(lines.contains { $0.hasPrefix("| mean |") })
            #expect(outcome.output.contains("cut from the left to a context of 12 tokens: 6 of boolq, 5 of hellaswag"))
            #expect(outcome.output.contains("in brackets the change against f16"))
        }
    }

    @Test("A run goes on from its file, and gives the same")
    func resume() async throws {
        try await Program.with { program in
            try FileManager.default.createDirectory(
                atPath: "\(program.home)/data", withIntermediateDirectories: true)
            try (Self.boolQ.joined(separator: "\n") + "\n").write(
                toFile: "\(program.home)/data/boolq.jsonl", atomically: true, encoding: .utf8)
            let command = [
                "evaluate", "tasks", "--data", "data", "--model", Program.tinyModel, "--task", "boolq", "--cache",
                "nf4",
                "--resume", "run.jsonl", "--json",
            ]
            let first = try object(try await program.run(command))
            let path = "\(program.home)/run.jsonl"
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
            #expect(lines.count == 1 + 6)
            try (lines.prefix(4).joined(separator: "\n") + "\n").write(
                toFile: path, atomically: true, encoding: .utf8)
            let again = try await program.run(command)
            #expect(again.error.contains("going on after 3"))
            let results = try object(again)["results"] as? NSDictionary
            #expect(results != nil && results == first["results"] as? NSDictionary)
            // Other items, another run.
            let other = try await program.run(command + ["--limit", "2"])
            #expect(other.status == 1 && other.message.contains("limit"))
        }
    }

    @Test("Files that are missing, empty or malformed are named, with the line")
    func files() async throws {
        let cases: [([String], [String: [String]], [String])] = [
            (["--task", "rte"], [:], ["data/rte.jsonl"]),
            (["--task", "boolq"], ["boolq": Array(Self.boolQ.prefix(2)) + ["{\"question\":"]], ["line 3", "no JSON"]),
            (["--task", "boolq"], ["boolq": [#"{"question":"q","passage":"p","label":3}"#]], ["line 1", "label 3"]),
            (["--task", "boolq"], ["boolq": [#"{"question":"q","passage":"p"}"#]], ["line 1", "no field label"]),
            (["--task", "boolq", "--data", "nowhere"], [:], ["nowhere/boolq.jsonl"]),
            (["--task", "boolq", "--log", "nowhere/log"], [:], ["nowhere/log"]),
        ]
        for (arguments, files, words) in cases {
            try await evaluate(arguments, files: files) { _, outcome in
                #expect(outcome.status == 1, "\(arguments)")
                for word in words { #expect(outcome.message.contains(word), "\(outcome.message)") }
                #expect(outcome.output.isEmpty)
            }
        }
    }
}

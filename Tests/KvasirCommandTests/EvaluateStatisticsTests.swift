import Foundation
import Testing

/// `kvasir evaluate normality`, `needle` and `generation` with the tiny random model.
struct EvaluateStatisticsTests {
    private static let text = String(repeating: "the cat in the hat sat on the mat and ", count: 40)

    private func evaluate(_ command: String, _ arguments: [String]) async throws -> Program.Outcome {
        try await Program.with { program in
            try Self.text.write(toFile: "\(program.home)/text.txt", atomically: true, encoding: .utf8)
            return try await program.run(["evaluate", command, "--model", Program.tinyModel] + arguments)
        }
    }

    private func results(_ outcome: Program.Outcome, kind: String) throws -> ([String: Any], [String: Any]) {
        #expect(outcome.status == 0)
        let object = try object(outcome)
        #expect(object["kind"] as? String == kind)
        return (
            try #require(object["settings"] as? [String: Any]), try #require(object["results"] as? [String: Any])
        )
    }

    @Test("Normality: a row for every layer, part, unit and basis")
    func normality() async throws {
        let outcome = try await evaluate(
            "normality", ["--text", "text.txt", "--context", "64", "--unit", "token,24", "--layers", "-1", "--json"])
        let (settings, results) = try results(outcome, kind: "normality")
        #expect(settings["units"] as? [String] == ["token", "24"])
        #expect(settings["layers"] as? String == "-1" && settings["linear"] as? String == "float32")
        let rows = try #require(results["rows"] as? [[String: Any]])
        #expect(rows.count == 8)
        #expect(rows.allSatisfy { $0["layer"] as? Int == 1 && $0["blocks"] as? Int == 64 })
        // 32 values: one block of 24 and one of 8, too short to test.
        #expect(rows.filter { $0["unit"] as? String == "24" }.allSatisfy { $0["untested"] as? Int == 64 })
        for row in rows {
            #expect((0...1).contains(try #require(row["rejectionRate"] as? Double)))
            let points = try #require(row["qq"] as? [[Double]])
            #expect(points.count == (row["unit"] as? String == "24" ? 24 : 32))
            #expect(points.allSatisfy { $0.count == 2 })
        }
    }

    @Test("Entropy: a row for every layer and form, and a run that goes on gives the same")
    func entropy() async throws {
        let arguments = ["--text", "text.txt", "--context", "64", "--chunks", "3", "--bins", "8", "--json"]
        let outcome = try await evaluate("entropy", arguments)
        let (settings, results) = try results(outcome, kind: "entropy")
        #expect(settings["bins"] as? Int == 8 && settings["skipped"] as? Int == 1)
        let rows = try #require(results["rows"] as? [[String: Any]])
        #expect(rows.count == 6)
        for row in rows {
            let joint = try #require(row["joint"] as? [Double])
            let alone = try #require(row["alone"] as? [Double])
            #expect(joint.count == 4 && joint[0] == alone[0] && joint[3] < alone[3])
        }
        try await Program.with { program in
            try Self.text.write(toFile: "\(program.home)/text.txt", atomically: true, encoding: .utf8)
            let command = ["evaluate", "entropy", "--model", Program.tinyModel, "--resume", "run.jsonl"] + arguments
            _ = try await program.run(command)
            let again = try await program.run(command)
            #expect(again.error.contains("going on after 1"))
            #expect(try #require(object(again)["results"] as? NSDictionary) == (results as NSDictionary))
        }
    }

    @Test("Needle: every cache answers every question, and a run that goes on gives the same")
    func needle() async throws {
        let arguments = [
            "--lengths", "256,400", "--depths", "0,100", "--trials", "2", "--mode", "multi", "--keys", "2", "--cache",
            "f16,nf4", "--json",
        ]
        let outcome = try await evaluate("needle", arguments)
        let (settings, results) = try results(outcome, kind: "needle")
        #expect(settings["mode"] as? String == "multi" && settings["chatTemplate"] as? Bool == true)
        let caches = try #require(results["caches"] as? [[String: Any]])
        #expect(caches.map { $0["cache"] as? String } == ["f16", "nf4/b256"])
        #expect(caches.allSatisfy { $0["questions"] as? Int == 8 })
        let grid = try #require(caches[0]["grid"] as? [[String: Any]])
        #expect(grid.map { $0["length"] as? Int } == [256, 256, 400, 400])
        #expect(grid.map { $0["depth"] as? Int } == [0, 100, 0, 100])

        try await Program.with { program in
            let command =
                ["evaluate", "needle", "--model", Program.tinyModel, "--resume", "run.jsonl"] + arguments
            let first = try await program.run(command)
            let again = try await program.run(command)
            #expect(again.error.contains("going on after 8"))
            func figures(_ outcome: Program.Outcome) throws -> NSDictionary {
                try #require(try object(outcome)["results"] as? NSDictionary)
            }
            #expect(try figures(first) == figures(again))
            #expect(try figures(first) == (results as NSDictionary))
        }
        let plain = try await evaluate("needle", arguments + ["--prompt", "plain"])
        #expect(try self.results(plain, kind: "needle").0["chatTemplate"] as? Bool == false)
    }

    @Test("Generation: f16 writes its own text again, two bits do not")
    func generation() async throws {
        let outcome = try await evaluate(
            "generation",
            [
                "--text", "text.txt", "--prompts", "2", "--prompt-tokens", "20", "--tokens", "40", "--cache", "f16,nf2",
                "--json",
            ])
        let (settings, results) = try results(outcome, kind: "generation")
        #expect(settings["reference"] as? String == "f16" && settings["linear"] as? String == "float32")
        #expect((results["referenceTexts"] as? [String])?.count == 2)
        let caches = try #require(results["caches"] as? [[String: Any]])
        #expect(caches[0]["identical"] as? Int == 2 && caches[0]["medianFirstDifference"] as? Int == 40)
        #expect(try #require(caches[0]["divergence"] as? Double) < 1e-12)
        #expect(caches[1]["identical"] as? Int == 0)
        #expect(try #require(caches[1]["divergence"] as? Double) > 1e-6)
        #expect((caches[1]["divergenceByPosition"] as? [Double])?.count == 40)
    }

    @Test(
        "For people there are tables",
        arguments: [
            ("normality", ["--text", "text.txt", "--context", "32"], "rejected, whole tokens"),
            ("entropy", ["--text", "text.txt", "--context", "32", "--chunks", "2"], "each alone"),
            ("needle", ["--lengths", "200", "--trials", "1", "--depths", "50"], "exact / first"),
            ("generation", ["--tokens", "8", "--prompts", "1"], "first difference"),
        ])
    func tables(command: String, arguments: [String], heading: String) async throws {
        let outcome = try await evaluate(command, arguments)
        #expect(outcome.status == 0 && outcome.error.isEmpty, "\(outcome.error)")
        #expect(outcome.output.contains(heading) && outcome.output.hasPrefix("| "))
        #expect(!outcome.output.contains("nan"))
    }
}

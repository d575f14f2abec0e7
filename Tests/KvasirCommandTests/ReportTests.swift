import Foundation
import Testing

/// Result files, runs that go on, and `kvasir report`, with the tiny random model.
struct ReportTests {
    private static let text = String(repeating: "the cat in the hat sat on the mat and ", count: 60)

    private func arguments(_ command: String, _ more: String...) -> [String] {
        ["evaluate", command, "--text", "text.txt", "--model", Program.tinyModel, "--context", "64"] + more
    }

    private func with<Value>(_ body: (Program) async throws -> Value) async throws -> Value {
        try await Program.with { program in
            try Self.text.write(toFile: "\(program.home)/text.txt", atomically: true, encoding: .utf8)
            return try await body(program)
        }
    }

    private func contents(_ program: Program, _ name: String) throws -> String {
        try String(contentsOfFile: "\(program.home)/\(name)", encoding: .utf8)
    }

    @Test("The file holds what --json prints, and the page is made of any such files")
    func page() async throws {
        try await with { program in
            let json = try await program.run(
                arguments("divergence", "--chunks", "2", "--cache", "nf4,nf2", "--json", "--output", "d.json"))
            #expect(json.status == 0)
            #expect(try contents(program, "d.json") == json.output)
            let table = try await program.run(arguments("perplexity", "--chunks", "2", "--output", "p.json"))
            #expect(table.status == 0 && table.output.hasPrefix("| cache |"))
            let bench = try await program.run(
                "bench", "--model", Program.tinyModel, "--depth", "0,100", "--prompt", "none", "--repeat", "1",
                "--output", "b.json")
            #expect(bench.status == 0)
            let report = try await program.run("report", "d.json", "p.json", "b.json")
            #expect(report.status == 0 && report.output.isEmpty)
            #expect(report.message.contains("3 result files in report.html"))
            let page = try contents(program, "report.html")
            for text in ["<!DOCTYPE html>", "Divergence from f16", "Speed and memory", "d.json", "nf2/b256"] {
                #expect(page.contains(text), "\(text)")
            }
            let printed = try await program.run("report", "d.json", "p.json", "b.json", "--output", "-")
            #expect(printed.output == page)
        }
    }

    @Test("A run that is done is not done again, and gives the same result")
    func resume() async throws {
        try await with { program in
            let command = arguments("perplexity", "--chunks", "3", "--resume", "run.jsonl", "--json")
            let first = try await program.run(command)
            let journal = try contents(program, "run.jsonl")
            // A crash in the middle of the last line.
            try String(journal.dropLast(10)).write(
                toFile: "\(program.home)/run.jsonl", atomically: true, encoding: .utf8)
            let second = try await program.run(command)
            #expect(first.status == 0 && second.status == 0)
            #expect(second.message.contains("going on after 5"))
            let results = try [first, second].map { try #require(try object($0)["results"] as? NSDictionary) }
            #expect(results[0] == results[1])
            #expect(try contents(program, "run.jsonl") == journal)
            let other = try await program.run(
                arguments("perplexity", "--chunks", "3", "--resume", "run.jsonl", "--stride", "32"))
            #expect(other.status == 1)
            #expect(other.message.contains("'windows'") && other.message.contains("'strided'"), "\(other.message)")
        }
    }

    @Test("Ctrl-C ends a run after the unit at hand, and one line says how to go on")
    func interruption() async throws {
        try await with { program in
            var program = program
            program.environment["TEXT"] = "\(program.home)/long.txt"
            try String(repeating: Self.text, count: 2000)
                .write(toFile: "\(program.home)/long.txt", atomically: true, encoding: .utf8)
            // The first line of the journal is its header; after the second a window is done.
            let outcome = try await program.shell(
                """
                "$KVASIR" evaluate perplexity --text "$TEXT" --model "$MODEL" --context 64 --resume run.jsonl >output 2>error &
                program=$!
                until [ "$(cat run.jsonl 2>/dev/null | wc -l)" -ge 2 ]; do sleep 0.02; done
                for try in 1 2 3 4 5; do kill -INT $program 2>/dev/null || break; sleep 1; done
                wait $program; status=$?
                cat output; cat error >&2; exit $status
                """)
            #expect(outcome.status == 130)
            #expect(outcome.output.isEmpty)
            #expect(outcome.error.split(separator: "\n").count == 1)
            #expect(outcome.message.contains("interrupted after"))
            #expect(outcome.message.contains("goes on from run.jsonl"))
        }
    }

    @Test("Files that are no results are refused, each by its name, and no page is made")
    func refusals() async throws {
        try await with { program in
            let files = [
                "other.json": (#"{"format":"kvasir-result","version":3}"#, "version 3"),
                "text.txt": (nil, "no result file"),
                "missing.json": (nil, "cannot read"),
                "run.jsonl": (#"{"format":"kvasir-run","version":1}"#, "kvasir-run"),
            ]
            for (name, (content, says)) in files {
                if let content {
                    try content.write(toFile: "\(program.home)/\(name)", atomically: true, encoding: .utf8)
                }
                let outcome = try await program.run("report", name)
                #expect(outcome.status == 1 && outcome.output.isEmpty)
                #expect(outcome.message.contains(name) && outcome.message.contains(says), "\(outcome.message)")
            }
            #expect(!FileManager.default.fileExists(atPath: "\(program.home)/report.html"))
            #expect(try await program.run("report").status == 2)
        }
    }

    @Test("A result that could not be written is refused before anything is measured")
    func unwritable() async throws {
        try await with { program in
            for option in ["--output", "--resume"] {
                let outcome = try await program.run(arguments("perplexity", option, "/no/where/x"))
                #expect(outcome.status == 1 && outcome.output.isEmpty)
                #expect(outcome.message.contains("/no/where"), "\(outcome.message)")
            }
        }
    }

    @Test("An exact prompt and the strided form are said in the output")
    func labels() async throws {
        try await with { program in
            let exact = try await program.run(arguments("perplexity", "--chunks", "2", "--prefill", "exact"))
            #expect(exact.output.contains("prefill exact"))
            let strided = try await program.run(arguments("perplexity", "--chunks", "2", "--stride", "16"))
            #expect(strided.output.contains("strided form"))
            let divergence = try await program.run(
                arguments("divergence", "--chunks", "1", "--prefill", "exact", "--json"))
            let settings = try #require(try object(divergence)["settings"] as? [String: Any])
            #expect(settings["prefill"] as? String == "exact")
        }
    }
}

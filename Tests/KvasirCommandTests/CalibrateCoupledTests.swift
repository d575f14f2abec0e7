import Foundation
import Testing

/// `kvasir calibrate coupled` with a tiny model, copied to where its codebooks may lie beside it.
struct CalibrateCoupledTests {
    /// Words that differ, so that there is something to learn.
    private static func text(_ lines: Int) -> String {
        (0..<lines).map { ["the cat", "in the hat", "sat on", "a mat", "and"][$0 * $0 % 5] + " \($0)\n" }.joined()
    }

    /// A copy of a tiny model with heads of 48 channels, and a text, in the program's directory.
    private static func prepare(_ program: Program, lines: Int = 600) throws -> (model: String, text: String) {
        let source = URL(filePath: #filePath).appending(path: "../../KvasirModelsTests/Fixtures/tiny-tied.gguf")
            .standardized
        let paths = (model: "\(program.home)/tied.gguf", text: "\(program.home)/text")
        try FileManager.default.copyItem(atPath: source.path, toPath: paths.model)
        try text(lines).write(toFile: paths.text, atomically: true, encoding: .utf8)
        return paths
    }

    private static func arguments(_ paths: (model: String, text: String), _ more: String...) -> [String] {
        ["calibrate", "coupled", "--model", paths.model, "--text", paths.text, "--length", "64", "--iterations", "4"]
            + more
    }

    private static func files(_ program: Program) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: program.home).filter { $0 != "bin" && $0 != "cache" }
            .sorted()
    }

    @Test("Codebooks lie beside the model, the same for the same seed; schemes together are as alone")
    func made() async throws {
        try await Program.with { program in
            let paths = try Self.prepare(program)
            let one = try await program.run(
                Self.arguments(paths, "--scheme", "4c4b", "--output", "\(program.home)/one"))
            #expect(one.status == 0 && one.error.isEmpty, "\(one.error)")
            #expect(one.output.contains("cq-4c4b, fisher weights") && one.output.contains("16 sequences of 64 tokens"))
            let both = try await program.run(Self.arguments(paths, "--scheme", "8c4b,4c4b", "--threads", "1"))
            #expect(both.status == 0, "\(both.error)")
            #expect(
                try Self.files(program)
                    == [
                        "one", "text", "tied.gguf", "tied.gguf.cq-4c4b.safetensors", "tied.gguf.cq-8c4b.safetensors",
                    ])
            func bytes(_ name: String) throws -> Data { try Data(contentsOf: URL(filePath: "\(program.home)/\(name)")) }
            #expect(try bytes("one") == bytes("tied.gguf.cq-4c4b.safetensors"))
            let turned = try await program.run(
                Self.arguments(paths, "--scheme", "4c4b", "--keys", "after-rotary", "--weights", "uniform"))
            #expect(turned.status == 0 && turned.output.contains("tied.gguf.cq-4c4b-post.safetensors"))
            #expect(try bytes("tied.gguf.cq-4c4b-post.safetensors") != bytes("one"))
        }
    }

    @Test("Ctrl-C leaves what is done, and the same command goes on to the same codebooks")
    func interrupted() async throws {
        try await Program.with { program in
            let paths = try Self.prepare(program, lines: 20_000)
            let arguments = Self.arguments(
                paths, "--scheme", "4c4b", "--sequences", "600", "--output", "\(program.home)/stopped")
            let words = arguments.map { "'\($0)'" }.joined(separator: " ")
            let stopped = try await program.shell(
                """
                "$KVASIR" \(words) & program=$!
                until [ -e stopped.partial/sequence-3 ]; do sleep 0.01; done
                for try in 1 2 3 4 5; do kill -INT $program 2>/dev/null || break; sleep 1; done
                wait $program
                """)
            #expect(
                stopped.status == 130 && stopped.message.contains("the same command goes on from"), "\(stopped.error)")
            #expect(try Self.files(program) == ["stopped.partial", "text", "tied.gguf"])
            let other = try await program.run(arguments + ["--weights", "uniform"])
            #expect(other.status == 1 && other.message.contains("its weights is 'fisher', here it is 'uniform'"))
            let resumed = try await program.run(arguments)
            #expect(resumed.status == 0 && resumed.message.contains("going on"), "\(resumed.error)")
            #expect(try Self.files(program) == ["stopped", "text", "tied.gguf"])
            let whole = try await program.run(
                Self.arguments(paths, "--scheme", "4c4b", "--sequences", "600", "--output", "\(program.home)/whole"))
            #expect(whole.status == 0 && whole.error.isEmpty)
            #expect(
                FileManager.default.contentsEqual(
                    atPath: "\(program.home)/stopped", andPath: "\(program.home)/whole"))
        }
    }

    @Test("What cannot be done is refused before the model runs, and leaves nothing")
    func refused() async throws {
        try await Program.with { program in
            let paths = try Self.prepare(program)
            let before = try Self.files(program)
            for (arguments, status, expected) in [
                (["--scheme", "5c4b"], 2, "must divide the head"), (["--scheme", "4c8b"], 1, "4c8b wants 16384"),
                (["--scheme", "4c4b", "--sequences", "1000"], 1, "fills"),
                (["--scheme", "4c4b", "--output", "/no/such/place"], 1, "no folder"),
            ] as [([String], Int32, String)] {
                let outcome = try await program.run(Self.arguments(paths) + arguments)
                #expect(outcome.status == status && outcome.message.contains(expected), "\(outcome.error)")
            }
            for (arguments, expected) in [
                (["--scheme", "4c3b"], "4 to 12 bits"), (["--scheme", "4c4b,"], "scheme"),
                (["--scheme", "4c4b,4c4b"], "twice"), (["--iterations", "0"], "0 iterations"),
                (["--weights", "heavy"], "fisher"), (["--keys", "turned"], "before-rotary"),
                (["--sequences", "0"], "0 sequences"),
            ] {
                let outcome = try await program.run(Self.arguments(paths) + arguments)
                #expect(outcome.status == 2 && outcome.error.contains(expected), "\(outcome.error)")
            }
            let missing = try await program.run(["calibrate", "coupled", "--model", paths.model, "--text", "/no/text"])
            #expect(missing.status == 1 && missing.message.contains("cannot read"))
            #expect(try Self.files(program) == before)
        }
    }

    @Test("A disk that is full leaves no half file, and what was done is kept")
    func fullDisk() async throws {
        try await Program.with { program in
            let paths = try Self.prepare(program)
            func limited(_ blocks: Int, _ arguments: [String]) async throws -> Program.Outcome {
                let words = arguments.map { "'\($0)'" }.joined(separator: " ")
                return try await program.shell("trap '' XFSZ; ulimit -f \(blocks); \"$KVASIR\" \(words)")
            }
            let center = try await limited(0, ["calibrate", "center", "--model", paths.model])
            #expect(center.status == 1 && center.message.contains("cannot write"), "\(center.error)")
            #expect(try Self.files(program) == ["text", "tied.gguf"])
            let arguments = Self.arguments(paths, "--scheme", "4c4b", "--output", "\(program.home)/codebooks")
            let recording = try await limited(16, arguments)
            #expect(recording.status == 1 && recording.message.contains("sequence-0"), "\(recording.error)")
            #expect(try Self.files(program) == ["codebooks.partial", "text", "tied.gguf"])
            let left = try FileManager.default.contentsOfDirectory(atPath: "\(program.home)/codebooks.partial")
            #expect(left == ["journal"])
            let again = try await program.run(arguments)
            #expect(again.status == 0, "\(again.error)")
            #expect(try Self.files(program) == ["codebooks", "text", "tied.gguf"])
        }
    }
}

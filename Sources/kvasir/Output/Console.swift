import Foundation
import Synchronization

/// The standard streams.
///
/// Results go to standard output, everything else to standard error. Nothing is buffered: text appears as it comes.
enum Console {
    private static let failure = Atomic<Int32>(0)

    /// Whether standard output no longer takes anything.
    static var hasFailed: Bool { failure.load(ordering: .relaxed) != 0 }

    /// Writes to standard output.
    ///
    /// Ends the program, as other programs end, if the reader has gone. Any other failure is kept for `check`.
    static func write(_ text: String) {
        guard !hasFailed else { return }
        let error = write(text, to: STDOUT_FILENO)
        if error == EPIPE {
            // The library for sockets ignores the signal that would have done this.
            signal(SIGPIPE, SIG_DFL)
            raise(SIGPIPE)
        }
        failure.store(error, ordering: .relaxed)
    }

    /// Throws what kept standard output from taking everything.
    static func check() throws(CommandFailure) {
        let error = failure.load(ordering: .relaxed)
        guard error == 0 else {
            throw CommandFailure(
                message: "cannot write to standard output: \(String(cString: strerror(error))); "
                    + "what came before is incomplete")
        }
    }

    /// Writes a line to standard error.
    static func note(_ line: String) { _ = write(line + "\n", to: STDERR_FILENO) }

    /// Writes text to standard error that is not a whole line: a prompt, or a line that is drawn again.
    static func draw(_ text: String) { _ = write(text, to: STDERR_FILENO) }

    /// Whether standard error is a terminal that may be drawn on.
    static let errorIsTerminal = isatty(STDERR_FILENO) == 1

    /// Whether standard output is a terminal.
    static let outputIsTerminal = isatty(STDOUT_FILENO) == 1

    /// Whether standard input is a terminal.
    static let inputIsTerminal = isatty(STDIN_FILENO) == 1

    /// The text, faint if standard error is a terminal and the user does not refuse colours.
    static func faint(_ text: String) -> String {
        let isPlain = !errorIsTerminal || ProcessInfo.processInfo.environment["NO_COLOR"]?.isEmpty == false
        return isPlain ? text : "\u{1B}[2m\(text)\u{1B}[0m"
    }

    /// Reads standard input to its end.
    static func readAll() throws(CommandFailure) -> [UInt8] {
        do {
            return try Array(FileHandle.standardInput.readToEnd() ?? Data())
        } catch {
            throw CommandFailure(message: "cannot read standard input: \(error.localizedDescription)")
        }
    }

    /// Writes all of a text; returns the `errno` of a failure, or 0.
    private static func write(_ text: String, to descriptor: Int32) -> Int32 {
        var text = text
        return text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while let start = rest.baseAddress, !rest.isEmpty {
                let written = Foundation.write(descriptor, start, rest.count)
                if written < 0 {
                    if errno == EINTR { continue }
                    return errno
                }
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
            }
            return 0
        }
    }
}

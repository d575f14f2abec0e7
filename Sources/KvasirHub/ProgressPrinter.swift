import Foundation
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Writes the progress of a pull to standard error.
public final class ProgressPrinter: Sendable {
    private let text: Mutex<TerminalProgress>

    /// Creates a printer that redraws one line if standard error is a terminal.
    public init() {
        var size = winsize()
        let isTerminal = isatty(STDERR_FILENO) == 1
        let isSized = isTerminal && ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        text = Mutex(TerminalProgress(isTerminal: isTerminal, width: isSized ? Int(size.ws_col) : 80))
    }

    /// What to pass to `ModelStore.pull`.
    public var handler: PullProgressHandler {
        { progress in self.text.withLock { text in Self.write(text.update(progress, at: .now)) } }
    }

    /// Says that the pull succeeded, if anything was said of it before.
    public func finish(_ name: String) {
        text.withLock { text in Self.write(text.finish(name, at: .now)) }
    }

    /// Clears the line for an error message.
    public func abandon() {
        text.withLock { text in Self.write(text.abandon()) }
    }

    private static func write(_ text: String?) {
        guard let text else { return }
        FileHandle.standardError.write(Data(text.utf8))
    }
}

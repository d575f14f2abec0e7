import ArgumentParser
import Foundation
import KvasirCache
import KvasirCodecs
import KvasirEngine
import KvasirHub
import KvasirNumerics
import KvasirServer

/// The statuses the program ends with.
enum ExitStatus: Int32 {
    case success = 0
    case failure = 1
    case usage = 2
    case interrupted = 130
}

/// A request that makes no sense, whatever the machine and the model.
struct UsageError: Error {
    let message: String
}

/// A failure that no library has an error for: of the standard streams, of a text file.
struct CommandFailure: Error {
    let message: String
}

/// The user's Ctrl-C, where it ends the program.
struct Interruption: Error {
    var message: String?
}

/// What the user is told of an error, and the status the program ends with.
struct ErrorReport {
    /// The text without its line end; nil if nothing is to be said.
    let text: String?
    let status: ExitStatus

    /// Reports an error of the parser, or its answer to `--help` and `--version`.
    init(parsing error: any Error) {
        let message = Kvasir.fullMessage(for: error)
        if Kvasir.exitCode(for: error) == .success {
            self.init(text: message, status: .success)
        } else {
            let prefix = "Error: "
            let text = message.hasPrefix(prefix) ? String(message.dropFirst(prefix.count)) : message
            self.init(text: "kvasir: \(text)", status: .usage)
        }
    }

    /// Reports an error of a command.
    init(_ error: any Error) {
        switch error {
        // The parser's own commands end so: help, version, completion scripts.
        case _ where Kvasir.exitCode(for: error) == .success: self.init(parsing: error)
        case let error as Interruption: self.init(line: error.message, .interrupted)
        case let error as UsageError: self.init(line: error.message, .usage)
        case let error as CommandFailure: self.init(line: error.message, .failure)
        default: self.init(line: Self.line(error), Self.isUsage(error) ? .usage : .failure)
        }
    }

    private init(text: String?, status: ExitStatus) {
        self.text = text
        self.status = status
    }

    private init(line: String?, _ status: ExitStatus) {
        let oneLine = line?.split(whereSeparator: \.isNewline).joined(separator: " ")
        self.init(text: oneLine.map { "kvasir: \($0)" }, status: status)
    }

    /// Whether another command line, rather than another file or machine, is what helps.
    private static func isUsage(_ error: any Error) -> Bool {
        switch error {
        #if Server
        case let error as ServerError: error.reason != .cannotListen
        #endif
        case is ThreadPoolError, is InstructionSetError, is ByteCountError, is StopStringError, is CodecError: true
        case let error as SessionError: [.badDirectory, .badName].contains(error.reason)
        case let error as CacheError: error.reason == .malformedConfiguration
        case let error as SamplingError: error.reason == .outOfRange
        case let error as HubError: [.malformedReference, .invalidEndpoint].contains(error.reason)
        default: false
        }
    }

    private static func line(_ error: any Error) -> String {
        // Parameters are spelled as in JSON there, as options here.
        if let error = error as? SamplingError, error.reason == .outOfRange {
            let option = error.parameter.replacing("_", with: "-")
            return "--\(option): received \(error.received); \(error.remedy)"
        }
        return String(describing: error)
    }

    /// Writes the text and ends the program.
    func exit() -> Never {
        if let text {
            if status == .success {
                Console.write(text + "\n")
            } else {
                Console.note(text)
            }
        }
        Foundation.exit(status.rawValue)
    }
}

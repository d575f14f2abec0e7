import ArgumentParser
import Foundation

/// The command line: `kvasir COMMAND`.
@main
struct Kvasir: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kvasir",
        abstract: "Runs language models with a key/value cache of 4 bits and fewer.",
        discussion: """
            Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
            Environment: KVASIR_CACHE (how the cache is stored where --cache is not given), XDG_CACHE_HOME (where models are kept), HF_ENDPOINT and HF_TOKEN (the hub), KVASIR_ISA (forces \
            the kernels of one instruction set).
            """,
        version: Version.current,
        subcommands: [Generate.self, Chat.self] + serving + [
            Models.self, Pull.self, Explain.self, Codecs.self, Calibrate.self, Evaluate.self, Bench.self, Report.self,
            Reproduce.self,
        ])

    /// The server, in builds that have it.
    private static var serving: [any ParsableCommand.Type] {
        #if Server
        [Serve.self]
        #else
        []
        #endif
    }

    /// Parses the arguments, runs the command, and reports an error in one line.
    ///
    /// In place of the parser's own, whose exit status and spelling of errors differ.
    static func main() async {
        var command: any ParsableCommand
        do {
            command = try await asyncParseAsRoot(nil)
        } catch {
            ErrorReport(parsing: error).exit()
        }
        do {
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            ErrorReport(error).exit()
        }
    }
}

import ArgumentParser
import KvasirEvaluation

/// A text to evaluate on, and how it is cut.
struct TextOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The text.", valueName: "file"), completion: .file())
    var text: String

    @Option(
        name: [.customLong("context"), .customShort("c")],
        help: ArgumentHelp("Tokens of a chunk, a window of the text.", valueName: "tokens"))
    var context = 512

    @Option(help: ArgumentHelp("Chunks to measure. (default: all of the text)", valueName: "count"))
    var chunks: Int?

    @Option(
        help: ArgumentHelp(
            "What the attention of the tokens before the scored ones reads: the cache, or their own keys and values "
                + "(exact).", valueName: "source"))
    var prefill = PrefillOption.cache

    /// Name of the file without its folder.
    var name: String { Self.name(of: text) }

    /// Name of a file without its folder.
    static func name(of path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }
}

/// What a prompt's own attention reads, as an option.
enum PrefillOption: String, ExpressibleByArgument, CaseIterable {
    case cache, exact

    var attention: PrefillAttention {
        switch self {
        case .cache: .cache
        case .exact: .exact
        }
    }
}

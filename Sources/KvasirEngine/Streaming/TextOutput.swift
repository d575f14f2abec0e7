internal import KvasirTokenizers

/// Tokens on their way to text: whole characters, up to the first stop string.
struct TextOutput: Sendable {
    /// All text that was given out.
    private(set) var text = ""
    private var decoder: StreamingDecoder
    private var matcher: StopStringMatcher

    init(_ tokenizer: any Tokenizer, stops: StopStrings) {
        decoder = StreamingDecoder(tokenizer)
        matcher = StopStringMatcher(stops)
    }

    /// The stop string that was reached.
    var stop: String? { matcher.matched }

    /// Whether a stop string was reached.
    var isStopped: Bool { stop != nil }

    /// Takes a token and returns the text that is certain by now.
    mutating func append(_ token: Int32) -> String {
        let fragment = matcher.consume(decoder.append(token))
        text += fragment
        return fragment
    }

    /// Returns what was held back, at the end of the tokens; nothing after a stop string.
    mutating func finish() -> String {
        var fragment = isStopped ? "" : matcher.consume(decoder.finish())
        if !isStopped { fragment += matcher.finish() }
        text += fragment
        return fragment
    }
}

#if Server
internal import KvasirEngine
internal import KvasirTokenizers

/// The `logprobs` of a completion: four lists of one entry for each token.
struct CompletionLogProbabilities {
    private var tokens: [JSONNode] = []
    private var logProbabilities: [JSONNode] = []
    private var top: [JSONNode] = []
    private var offsets: [JSONNode] = []
    private let names: TokenText

    init(_ tokenizer: any Tokenizer) { names = TokenText(tokenizer: tokenizer) }

    /// Appends the tokens of a prompt; nothing comes before the first one, so it has no probability.
    mutating func append(_ prompt: CompletionRequest.Prompt, _ probabilities: [LogProbabilities]) {
        var positions = TextOffsets(names.tokenizer, from: 0, skipSpecial: false, startsText: true)
        for (index, token) in prompt.tokens.enumerated() {
            // A token that was added is listed, but has no place in the text.
            append(
                token, index == 0 ? nil : probabilities[index - 1], at: index < prompt.added ? 0 : positions.next(token)
            )
        }
    }

    /// Appends a generated token.
    mutating func append(_ token: TokenResult, _ positions: inout TextOffsets) {
        append(token.token, token.logProbabilities, at: positions.next(token.token))
    }

    private mutating func append(_ token: Int32, _ probabilities: LogProbabilities?, at offset: Int) {
        tokens.append(.string(names.text(token)))
        offsets.append(.integer(offset))
        guard let probabilities else {
            logProbabilities.append(.null)
            top.append(.null)
            return
        }
        logProbabilities.append(TokenText.logProbability(probabilities.chosen.logProbability))
        // The chosen one is listed, too. Of tokens with the same text the likeliest counts: names are unique.
        var seen: Set<String> = []
        var entries: [JSONNode.Member] = []
        for entry in probabilities.top + [probabilities.chosen] {
            let name = names.text(entry.token)
            guard seen.insert(name).inserted else { continue }
            entries.append(.init(name, TokenText.logProbability(entry.logProbability)))
        }
        top.append(.object(entries))
    }

    var json: JSONNode {
        [
            "tokens": .array(tokens), "token_logprobs": .array(logProbabilities), "top_logprobs": .array(top),
            "text_offset": .array(offsets),
        ]
    }
}
#endif

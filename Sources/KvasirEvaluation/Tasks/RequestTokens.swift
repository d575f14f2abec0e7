internal import KvasirTokenizers

/// A request as token ids: what the model reads, and what it is asked to predict.
struct RequestTokens: Hashable {
    /// What the model reads: context and continuation without its last token, cut from the left to what it can hold.
    let input: [Int32]
    /// The continuation, predicted at the last rows of the input.
    let continuation: [Int32]
    /// Whether the context did not fit as a whole.
    let isTruncated: Bool

    /// The row of the input at which the continuation's first token is predicted.
    var firstScored: Int { input.count - continuation.count }

    /// Encodes a request as the harness's model wrapper for Hugging Face models does.
    ///
    /// White space at the end of the context belongs to the continuation. Both together are encoded, and what comes after as
    /// many tokens as the context has on its own is the continuation; the context is encoded on its own.
    ///
    /// - Parameters:
    ///   - request: context and continuation.
    ///   - tokenizer: the model's.
    ///   - contextLength: the most tokens the model reads.
    /// - Throws: `TaskRecordError` if nothing is left to predict or to predict it from, or the continuation alone is too long.
    init(
        _ request: TaskRequest, tokenizer: any Tokenizer, contextLength: Int
    ) throws(TaskRecordError) {
        let prefix = tokenizer.bosID ?? tokenizer.eosID
        var (context, continuation) = Self.encode(request, tokenizer, prefix: prefix)
        if request.context.isEmpty, let prefix {
            if continuation.first == prefix {
                context = [prefix]
                continuation.removeFirst()
            } else {
                context = [prefix]
            }
        }
        guard !continuation.isEmpty, !context.isEmpty else {
            let part = context.isEmpty ? "context" : "continuation"
            throw TaskRecordError(
                received: "a \(part) without tokens, in \"\(request.context)\" + \"\(request.continuation)\"",
                remedy: "the harness cannot score this; remove the line")
        }
        guard continuation.count <= contextLength else {
            throw TaskRecordError(
                received: "a continuation of \(continuation.count) tokens",
                remedy: "the context holds \(contextLength); use a longer one")
        }
        let all = context + continuation
        isTruncated = all.count > contextLength + 1
        input = Array(all.suffix(contextLength + 1).dropLast())
        self.continuation = continuation
    }

    private static func encode(
        _ request: TaskRequest, _ tokenizer: any Tokenizer, prefix: Int32?
    ) -> (context: [Int32], continuation: [Int32]) {
        guard !request.context.isEmpty else {
            return ([], tokenizer.encode(request.continuation, addSpecial: false, parseSpecial: true))
        }
        // A text that begins with the model's first token gets no second one.
        let start = prefix.flatMap { tokenizer.tokenBytes($0) } ?? []
        func encode(_ text: String) -> [Int32] {
            let hasStart = !start.isEmpty && text.utf8.starts(with: start)
            return tokenizer.encode(text, addSpecial: !hasStart, parseSpecial: true)
        }
        let (context, space) = PythonText.splitBeforeTrailingSpace(request.context)
        let own = encode(context)
        return (own, Array(encode(context + space + request.continuation).dropFirst(own.count)))
    }
}

#if Server
internal import KvasirEngine
internal import KvasirTokenizers

/// What `POST /v1/chat/completions` answers: all of it, or a piece of a stream.
struct ChatCompletionResponse {
    let identifier: Identifier
    let model: String

    /// An answer of choices that are whole.
    func whole(_ choices: [JSONNode], usage: JSONNode) -> JSONNode {
        json("chat.completion", choices, usage: usage)
    }

    /// A piece of a stream; `usage` is null in the pieces of a stream that ends with it.
    func piece(_ choices: [JSONNode], usage: JSONNode?) -> JSONNode {
        json("chat.completion.chunk", choices, usage: usage)
    }

    private func json(_ object: String, _ choices: [JSONNode], usage: JSONNode?) -> JSONNode {
        var members: [JSONNode.Member] = [
            .init("id", .string(identifier.id)), .init("object", .string(object)),
            .init("created", .integer(identifier.created)), .init("model", .string(model)),
            .init("choices", .array(choices)),
        ]
        if let usage { members.append(.init("usage", usage)) }
        return .object(members)
    }

    /// A choice of a stream.
    static func choice(
        _ index: Int, delta: JSONNode, logProbabilities: JSONNode? = nil, finishReason: String? = nil
    ) -> JSONNode {
        [
            "index": .integer(index), "delta": delta, "logprobs": logProbabilities ?? .null,
            "finish_reason": .string(orNull: finishReason),
        ]
    }

    /// A choice that is whole.
    static func choice(
        _ index: Int, message: JSONNode, logProbabilities: JSONNode?, finishReason: String
    ) -> JSONNode {
        [
            "index": .integer(index), "message": message, "logprobs": logProbabilities ?? .null,
            "finish_reason": .string(finishReason),
        ]
    }

    /// The probabilities of some tokens.
    static func logProbabilities(_ tokens: some Sequence<TokenResult>, _ tokenizer: any Tokenizer) -> JSONNode {
        let names = TokenText(tokenizer: tokenizer)
        func entry(_ entry: LogProbabilities.Entry) -> [JSONNode.Member] {
            [
                .init("token", .string(names.text(entry.token))),
                .init("logprob", TokenText.logProbability(entry.logProbability)),
                .init("bytes", names.bytes(entry.token)),
            ]
        }
        let content: [JSONNode] = tokens.compactMap { token in
            guard let probabilities = token.logProbabilities else { return nil }
            let top = probabilities.top.map { JSONNode.object(entry($0)) }
            return .object(entry(probabilities.chosen) + [.init("top_logprobs", .array(top))])
        }
        return ["content": .array(content), "refusal": .null]
    }
}
#endif

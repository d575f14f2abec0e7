#if Server
/// What `POST /v1/completions` answers: all of it, or a piece of a stream.
struct CompletionResponse {
    /// One answer, or what has come of it.
    struct Choice {
        let index: Int
        let text: String
        var logProbabilities: JSONNode?
        var finishReason: String?

        var json: JSONNode {
            [
                "index": .integer(index), "text": .string(text), "logprobs": logProbabilities ?? .null,
                "finish_reason": .string(orNull: finishReason),
            ]
        }
    }

    let identifier: Identifier
    let model: String

    /// The answer; `usage` is left out where it is not asked for, and null in pieces of a stream that ends with it.
    func json(_ choices: [Choice], usage: JSONNode?) -> JSONNode {
        var members: [JSONNode.Member] = [
            .init("id", .string(identifier.id)), .init("object", "text_completion"),
            .init("created", .integer(identifier.created)), .init("model", .string(model)),
            .init("choices", .array(choices.map(\.json))),
        ]
        if let usage { members.append(.init("usage", usage)) }
        return .object(members)
    }
}
#endif

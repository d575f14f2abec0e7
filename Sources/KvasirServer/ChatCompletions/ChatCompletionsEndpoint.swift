#if Server
internal import Hummingbird
internal import KvasirEngine
internal import KvasirTokenizers

/// `POST /v1/chat/completions`.
struct ChatCompletionsEndpoint: Sendable {
    let model: ServedModel
    let metrics: ServerMetrics
    let settings: ServerSettings

    func respond(_ fields: RequestFields, _ context: ServerContext) async throws -> Response {
        let backend = try model.ready()
        let measured = metrics.request()
        let request = try ChatCompletionRequest(fields, backend: backend, limits: settings.limits)
        let writer = ChatWriter(request, backend.description)
        return try await Completing(backend: backend, metrics: measured, settings: settings, context: context).respond(
            request.common, try request.servingRequests(deadline: settings.deadline), writer)
    }
}

/// Writes the answers of a conversation.
struct ChatWriter: AnswerWriter {
    let count: Int
    private let hasLogProbabilities: Bool
    private let readsToolCalls: Bool
    private let includesUsage: Bool
    private let tokenizer: any Tokenizer
    private let response: ChatCompletionResponse

    init(_ request: ChatCompletionRequest, _ model: ServingDescription) {
        count = request.common.choices
        hasLogProbabilities = request.logProbabilities != nil
        readsToolCalls = request.readsToolCalls
        includesUsage = request.common.includesUsage
        tokenizer = model.tokenizer
        response = ChatCompletionResponse(identifier: Identifier(prefix: "chatcmpl-"), model: model.name)
    }

    // MARK: - Everything at once

    func whole(_ answers: [Answer]) throws -> JSONNode {
        let list = try answers.enumerated().map { index, answer in
            var reader = ToolCallReader(isActive: readsToolCalls)
            let pieces = reader.take(answer.text) + reader.finish()
            let (message, isCall) = Self.message(pieces)
            let reason = try answer.finishReason()
            return ChatCompletionResponse.choice(
                index, message: message,
                logProbabilities: hasLogProbabilities
                    ? ChatCompletionResponse.logProbabilities(answer.tokens, tokenizer) : nil,
                finishReason: isCall && reason == "stop" ? "tool_calls" : reason)
        }
        return response.whole(list, usage: Usage(answers, answersPerPrompt: count).json)
    }

    private static func message(_ pieces: [ToolCallReader.Piece]) -> (JSONNode, isCall: Bool) {
        var text = ""
        var calls: [(id: String, name: String, arguments: String)] = []
        for piece in pieces {
            switch piece {
            case .text(let more): text += more
            case .call(_, let id, let name): calls.append((id, name, ""))
            case .arguments(let index, let more): calls[index].arguments += more
            }
        }
        var members: [JSONNode.Member] = [
            .init("role", "assistant"),
            .init("content", calls.isEmpty || !text.isEmpty ? .string(text) : .null), .init("refusal", .null),
        ]
        if !calls.isEmpty {
            let list: [JSONNode] = calls.map { call in
                [
                    "id": .string(call.id), "type": "function",
                    "function": ["name": .string(call.name), "arguments": .string(call.arguments)],
                ]
            }
            members.append(.init("tool_calls", .array(list)))
        }
        return (.object(members), !calls.isEmpty)
    }

    // MARK: - Piece by piece

    func write(_ generation: Generation, to stream: inout EventStream, metrics: RequestMetrics) async throws {
        var answers = [Answer](repeating: Answer(), count: count)
        var readers = [ToolCallReader](repeating: ToolCallReader(isActive: readsToolCalls), count: count)
        let noUsage: JSONNode? = includesUsage ? .null : nil
        func piece(_ choice: JSONNode) -> JSONNode { response.piece([choice], usage: noUsage) }
        for index in 0..<count {
            try await stream.send(
                piece(ChatCompletionResponse.choice(index, delta: ["role": "assistant", "content": ""])))
        }
        for try await item in generation.items {
            guard case .event(let index, let event) = item else {
                try await stream.ping()
                continue
            }
            metrics.record(event, choice: index)
            switch event {
            case .prompt(let prompt):
                answers[index].promptTokens = prompt.tokens
                answers[index].cachedTokens = prompt.cachedTokens
            case .token(let token):
                var deltas = readers[index].take(token.text).map(Self.delta)
                if deltas.isEmpty, hasLogProbabilities { deltas = [["content": ""]] }
                for (position, delta) in deltas.enumerated() {
                    let probabilities =
                        hasLogProbabilities && position == 0
                        ? ChatCompletionResponse.logProbabilities(CollectionOfOne(token), tokenizer) : nil
                    try await stream.send(
                        piece(ChatCompletionResponse.choice(index, delta: delta, logProbabilities: probabilities)))
                }
            case .finished(let summary):
                answers[index].summary = summary
                var reason = try summary.finishReason.name()
                for rest in readers[index].take(summary.text) + readers[index].finish() {
                    try await stream.send(piece(ChatCompletionResponse.choice(index, delta: Self.delta(rest))))
                }
                if readers[index].hasCalls, reason == "stop" { reason = "tool_calls" }
                try await stream.send(
                    piece(ChatCompletionResponse.choice(index, delta: .object([]), finishReason: reason)))
            }
        }
        try Task.checkCancellation()
        if includesUsage {
            try await stream.send(response.piece([], usage: Usage(answers, answersPerPrompt: count).json))
        }
    }

    private static func delta(_ piece: ToolCallReader.Piece) -> JSONNode {
        switch piece {
        case .text(let text): ["content": .string(text)]
        case .call(let index, let id, let name):
            [
                "tool_calls": [
                    [
                        "index": .integer(index), "id": .string(id), "type": "function",
                        "function": ["name": .string(name), "arguments": ""],
                    ]
                ]
            ]
        case .arguments(let index, let text):
            ["tool_calls": [["index": .integer(index), "function": ["arguments": .string(text)]]]]
        }
    }
}
#endif

#if Server
internal import Hummingbird
internal import KvasirEngine
internal import KvasirTokenizers

/// `POST /v1/completions`.
struct CompletionsEndpoint: Sendable {
    let model: ServedModel
    let metrics: ServerMetrics
    let settings: ServerSettings

    func respond(_ fields: RequestFields, _ context: ServerContext) async throws -> Response {
        let backend = try model.ready()
        let measured = metrics.request()
        let request = try CompletionRequest(fields, model: backend.description, limits: settings.limits)
        let writer = CompletionWriter(request, backend.description)
        return try await Completing(backend: backend, metrics: measured, settings: settings, context: context).respond(
            request.common, try request.servingRequests(deadline: settings.deadline), writer)
    }
}

/// Writes the answers of a completion.
struct CompletionWriter: AnswerWriter {
    private let prompts: [CompletionRequest.Prompt]
    private let choices: Int
    private let echo: Bool
    private let hasLogProbabilities: Bool
    private let includesUsage: Bool
    private let tokenizer: any Tokenizer
    private let response: CompletionResponse

    init(_ request: CompletionRequest, _ model: ServingDescription) {
        prompts = request.prompts
        choices = request.common.choices
        echo = request.echo
        hasLogProbabilities = request.logProbabilities != nil
        includesUsage = request.common.includesUsage
        tokenizer = model.tokenizer
        response = CompletionResponse(identifier: Identifier(prefix: "cmpl-"), model: model.name)
    }

    /// The number of answers.
    var count: Int { prompts.count * choices }

    private func prompt(_ choice: Int) -> CompletionRequest.Prompt { prompts[choice / choices] }

    private func positions(_ choice: Int) -> TextOffsets {
        TextOffsets(
            tokenizer, from: echo ? prompt(choice).text.unicodeScalars.count : 0, skipSpecial: true, startsText: false)
    }

    /// Everything at once.
    func whole(_ answers: [Answer]) throws -> JSONNode {
        let list = try answers.enumerated().map { index, answer in
            var choice = CompletionResponse.Choice(
                index: index, text: (echo ? prompt(index).text : "") + answer.text,
                finishReason: try answer.finishReason())
            if hasLogProbabilities {
                var probabilities = CompletionLogProbabilities(tokenizer)
                var positions = positions(index)
                if echo { probabilities.append(prompt(index), answer.promptLogProbabilities) }
                for token in answer.tokens { probabilities.append(token, &positions) }
                choice.logProbabilities = probabilities.json
            }
            return choice
        }
        return response.json(list, usage: Usage(answers, answersPerPrompt: choices).json)
    }

    /// Piece by piece.
    func write(_ generation: Generation, to stream: inout EventStream, metrics: RequestMetrics) async throws {
        var answers = [Answer](repeating: Answer(), count: count)
        var positions = (0..<count).map(positions)
        let noUsage: JSONNode? = includesUsage ? .null : nil
        for try await item in generation.items {
            guard case .event(let index, let event) = item else {
                try await stream.ping()
                continue
            }
            metrics.record(event, choice: index)
            var piece: CompletionResponse.Choice?
            switch event {
            case .prompt(let prompt):
                if echo {
                    piece = .init(index: index, text: self.prompt(index).text)
                    if hasLogProbabilities {
                        var probabilities = CompletionLogProbabilities(tokenizer)
                        probabilities.append(self.prompt(index), prompt.logProbabilities)
                        piece?.logProbabilities = probabilities.json
                    }
                }
                answers[index].promptTokens = prompt.tokens
                answers[index].cachedTokens = prompt.cachedTokens
            case .token(let token):
                if !token.text.isEmpty || hasLogProbabilities {
                    piece = .init(index: index, text: token.text)
                    if hasLogProbabilities {
                        var probabilities = CompletionLogProbabilities(tokenizer)
                        probabilities.append(token, &positions[index])
                        piece?.logProbabilities = probabilities.json
                    }
                }
            case .finished(let summary):
                answers[index].summary = summary
                piece = .init(index: index, text: summary.text, finishReason: try summary.finishReason.name())
            }
            if let piece { try await stream.send(response.json([piece], usage: noUsage)) }
        }
        try Task.checkCancellation()
        if includesUsage {
            try await stream.send(response.json([], usage: Usage(answers, answersPerPrompt: choices).json))
        }
    }
}
#endif

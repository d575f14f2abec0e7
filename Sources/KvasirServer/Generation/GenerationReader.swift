#if Server
internal import KvasirEngine

/// What one answer has come to, event by event.
struct Answer: Sendable {
    var promptTokens = 0
    var cachedTokens = 0
    var promptLogProbabilities: [LogProbabilities] = []
    var text = ""
    var tokens: [TokenResult] = []
    var summary: ServingSummary?

    /// Takes an event in.
    mutating func take(_ event: ServingEvent) {
        switch event {
        case .prompt(let prompt):
            promptTokens = prompt.tokens
            cachedTokens = prompt.cachedTokens
            promptLogProbabilities = prompt.logProbabilities
        case .token(let token):
            tokens.append(token)
            text += token.text
        case .finished(let summary):
            text += summary.text
            self.summary = summary
        }
    }

    /// How it ended.
    ///
    /// - Throws: `APIError` if it was cut off by the server's end.
    func finishReason() throws(APIError) -> String {
        guard let summary else { throw .unexpected }
        return try summary.finishReason.name()
    }
}

extension FinishReason {
    /// The reason as the API names it.
    func name() throws(APIError) -> String {
        switch self {
        case .stop: "stop"
        case .length: "length"
        case .cancelled: throw .shutDown
        }
    }
}

/// What a request took, in the form of the API.
struct Usage: Sendable, Hashable {
    var promptTokens = 0
    var cachedTokens = 0
    var completionTokens = 0

    /// The sum of all answers; a prompt with several answers counts once.
    init(_ answers: [Answer], answersPerPrompt: Int) {
        for (index, answer) in answers.enumerated() {
            if index % answersPerPrompt == 0 {
                promptTokens += answer.promptTokens
                cachedTokens += answer.cachedTokens
            }
            completionTokens += answer.summary?.tokens ?? answer.tokens.count
        }
    }

    var json: JSONNode {
        [
            "prompt_tokens": .integer(promptTokens), "completion_tokens": .integer(completionTokens),
            "total_tokens": .integer(promptTokens + completionTokens),
            "prompt_tokens_details": ["cached_tokens": .integer(cachedTokens)],
        ]
    }
}

extension Generation {
    /// Waits for all answers.
    func answers(_ count: Int, metrics: RequestMetrics) async throws -> [Answer] {
        var answers = [Answer](repeating: Answer(), count: count)
        for try await item in items {
            guard case .event(let choice, let event) = item else { continue }
            metrics.record(event, choice: choice)
            answers[choice].take(event)
        }
        // A stream whose reader is cancelled ends without an error.
        try Task.checkCancellation()
        return answers
    }
}
#endif

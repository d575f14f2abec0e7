#if Server
internal import KvasirEngine
internal import KvasirTokenizers

/// The body of `POST /v1/completions`.
struct CompletionRequest {
    /// A prompt, given as text or as tokens.
    struct Prompt: Sendable {
        let tokens: [Int32]
        /// The text, as given or as the tokens say.
        let text: String
        /// Tokens at the beginning that the tokenizer has added and that are not of the text.
        let added: Int
    }

    let common: CommonFields
    let prompts: [Prompt]
    let maxTokens: Int
    let echo: Bool
    /// Likely tokens listed beside each one; nil for no probabilities.
    let logProbabilities: Int?

    init(_ fields: RequestFields, model: ServingDescription, limits: ServerLimits) throws(APIError) {
        common = try CommonFields(fields, model: model, limits: limits)
        if let bestOf = try fields.integer("best_of"), bestOf != common.choices {
            throw .invalid("best_of", "'best_of' is \(bestOf); it must equal 'n', or be left out")
        }
        if let suffix = try fields.string("suffix"), !suffix.isEmpty {
            throw .invalid(
                "suffix", "'suffix' is not supported: this server does not fill in the middle; leave it out",
                code: "unsupported_parameter")
        }
        echo = try fields.bool("echo") ?? false
        maxTokens = try fields.integer("max_tokens", in: 0 ... .max) ?? 16
        guard maxTokens > 0 || echo else {
            throw .invalid("max_tokens", "'max_tokens' is 0; give at least 1, or 'echo' to score the prompt alone")
        }
        logProbabilities = try fields.integer("logprobs", in: 0...limits.topLogProbabilities)
        prompts = try Self.prompts(try fields.required("prompt"), fields, model, limits)
        guard common.session == nil || prompts.count == 1 else {
            throw .invalid("session", "'session' names one sequence, and 'prompt' has \(prompts.count); give 1")
        }
        for prompt in prompts {
            try CommonFields.check(
                prompt: prompt.tokens.count, maxTokens: maxTokens, parameter: "prompt", model: model, limits: limits)
        }
    }

    /// What the engine is asked, prompt by prompt.
    func servingRequests(deadline: ContinuousClock.Instant?) throws(APIError) -> [ServingRequest] {
        var requests: [ServingRequest] = []
        for prompt in prompts {
            for choice in 0..<common.choices {
                requests.append(
                    ServingRequest(
                        prompt: prompt.tokens, sampling: try common.sampling.parameters(choice: choice),
                        maxTokens: maxTokens, stops: common.stops, endsAtEndOfText: common.endsAtEndOfText,
                        topLogProbabilities: logProbabilities,
                        promptLogProbabilities: echo ? logProbabilities : nil, deadline: deadline,
                        session: common.session))
            }
        }
        return requests
    }

    private static func prompts(
        _ node: JSONNode, _ fields: RequestFields, _ model: ServingDescription, _ limits: ServerLimits
    ) throws(APIError) -> [Prompt] {
        let tokenizer = model.tokenizer
        switch node {
        case .string(let text): return [try prompt(text, "prompt", model, limits)]
        case .array(let elements):
            switch elements.first {
            case .integer: return [try prompt(elements, "prompt", tokenizer)]
            case .string, .array: break
            case nil: throw .invalid("prompt", "'prompt' is empty; give a text or tokens")
            case .some(let other):
                throw .invalid("prompt", "'prompt[0]' is \(other.typeName), not text or tokens", code: "invalid_type")
            }
            guard elements.count <= limits.prompts else {
                throw .invalid("prompt", "'prompt' has \(elements.count) prompts; give at most \(limits.prompts)")
            }
            var prompts: [Prompt] = []
            for (index, element) in elements.enumerated() {
                switch element {
                case .string(let text): prompts.append(try prompt(text, "prompt[\(index)]", model, limits))
                case .array(let ids): prompts.append(try prompt(ids, "prompt[\(index)]", tokenizer))
                default:
                    throw .invalid(
                        "prompt", "'prompt[\(index)]' is \(element.typeName), not text or tokens", code: "invalid_type")
                }
            }
            return prompts
        default: throw fields.wrongType("prompt", node, "text, tokens, or an array of them")
        }
    }

    /// Special tokens written in a text count, as in llama.cpp's server, and those that begin a text are added.
    private static func prompt(
        _ text: String, _ name: String, _ model: ServingDescription, _ limits: ServerLimits
    ) throws(APIError) -> Prompt {
        try CommonFields.check(bytes: text.utf8.count, parameter: name, model: model, limits: limits)
        let tokenizer = model.tokenizer
        let tokens = tokenizer.encode(text, addSpecial: true, parseSpecial: true)
        return Prompt(tokens: tokens, text: text, added: tokenizer.addsBOS ? 1 : 0)
    }

    private static func prompt(
        _ elements: [JSONNode], _ name: String, _ tokenizer: any Tokenizer
    ) throws(APIError) -> Prompt {
        let tokens = try TokenIDs.read(elements, parameter: name, vocabularySize: tokenizer.vocabularySize)
        return Prompt(
            tokens: tokens, text: tokenizer.decode(tokens, skipSpecial: false, startsText: true), added: 0)
    }
}
#endif

#if Server
internal import KvasirEngine
internal import KvasirTokenizers

/// The body of `POST /v1/chat/completions`.
struct ChatCompletionRequest {
    let common: CommonFields
    /// The conversation as the model's template writes it.
    let prompt: [Int32]
    let maxTokens: Int?
    /// Likely tokens listed beside each one; nil for no probabilities.
    let logProbabilities: Int?
    /// Whether calls of tools are looked for in the answer.
    let readsToolCalls: Bool
    private let constraint: (any TokenConstraint)?

    init(_ fields: RequestFields, backend: ServedModel.Backend, limits: ServerLimits) throws(APIError) {
        let model = backend.description
        common = try CommonFields(fields, model: model, limits: limits)
        let tools = try ToolSelection(fields)
        let format = try ResponseFormat(fields)
        let messages = try ChatMessages.read(fields)
        let template: ChatTemplate
        switch model.chatTemplate {
        case .success(let known): template = known
        case .failure(let error): throw .invalid("messages", error.description, code: "no_chat_template")
        }
        let turns = try ChatMessages.turns(messages, tools: tools.offered, template: template)
        let text = try Self.render(turns, template)
        try CommonFields.check(bytes: text.utf8.count, parameter: "messages", model: model, limits: limits)
        prompt = model.tokenizer.encode(text, addSpecial: false, parseSpecial: true)
        let older = try fields.integer("max_tokens", in: 1 ... .max)
        maxTokens = try fields.integer("max_completion_tokens", in: 1 ... .max) ?? older
        try CommonFields.check(
            prompt: prompt.count, maxTokens: maxTokens, parameter: "messages", model: model, limits: limits)
        let top = try fields.integer("top_logprobs", in: 0...limits.topLogProbabilities)
        if try fields.bool("logprobs") ?? false {
            logProbabilities = top ?? 0
        } else if top ?? 0 > 0 {
            throw .invalid("top_logprobs", "'top_logprobs' needs 'logprobs' to be true")
        } else {
            logProbabilities = nil
        }
        readsToolCalls = !tools.offered.isEmpty
        constraint = try Self.constraint(tools, format, backend)
    }

    /// What the engine is asked, one request for each answer.
    func servingRequests(deadline: ContinuousClock.Instant?) throws(APIError) -> [ServingRequest] {
        var requests: [ServingRequest] = []
        for choice in 0..<common.choices {
            requests.append(
                ServingRequest(
                    prompt: prompt, sampling: try common.sampling.parameters(choice: choice), maxTokens: maxTokens,
                    stops: common.stops, endsAtEndOfText: common.endsAtEndOfText || constraint != nil,
                    topLogProbabilities: logProbabilities, deadline: deadline, constraint: constraint,
                    session: common.session))
        }
        return requests
    }

    private static func render(_ turns: [ChatMessage], _ template: ChatTemplate) throws(APIError) -> String {
        do throws(ChatTemplateError) {
            return try template.render(messages: turns, addGenerationPrompt: true)
        } catch {
            throw .invalid("messages", error.description)
        }
    }

    private static func constraint(
        _ tools: ToolSelection, _ format: ResponseFormat, _ backend: ServedModel.Backend
    ) throws(APIError) -> (any TokenConstraint)? {
        let grammar: Grammar
        if let forced = tools.forced {
            grammar = try ToolGrammar.grammar(forced)
        } else {
            switch format {
            case .text: return nil
            case .jsonObject: grammar = JSONGrammar.anyObject()
            case .jsonSchema(let schema):
                // A model that may call tools as well is not held to the schema while it does; nothing can be.
                guard tools.offered.isEmpty else {
                    throw .invalid(
                        "response_format",
                        "'response_format' with a schema and 'tools' cannot be used together; give one",
                        code: "unsupported_parameter")
                }
                do throws(SchemaError) {
                    grammar = try JSONGrammar.grammar(schema: schema)
                } catch {
                    throw .invalid(
                        "response_format", "'response_format.json_schema.schema\(error.path)': \(error.problem)")
                }
            }
        }
        guard let constraint = GrammarConstraint(grammar, backend.trie.trie) else {
            throw .invalid(
                tools.forced == nil ? "response_format" : "tools",
                "no value is allowed by the schema: it refers to itself")
        }
        return constraint
    }
}

/// What form an answer must have.
enum ResponseFormat {
    case text
    case jsonObject
    case jsonSchema(JSONNode)

    init(_ fields: RequestFields) throws(APIError) {
        guard let format = try fields.object("response_format") else {
            self = .text
            return
        }
        switch try format.string("type") {
        case "text": self = .text
        case "json_object": self = .jsonObject
        case "json_schema":
            guard let object = try format.object("json_schema") else {
                throw .invalid("response_format.json_schema", "'response_format.json_schema' is missing")
            }
            self = .jsonSchema(try object.required("schema"))
        case let other:
            throw .invalid(
                "response_format.type",
                "'response_format.type' is \(other.map { "'\($0.prefix(40))'" } ?? "missing"); "
                    + "give text, json_object or json_schema")
        }
    }
}
#endif

#if Server
internal import KvasirEngine
internal import KvasirTokenizers

/// How tokens are chosen, as requests of both endpoints say it; what they leave out is the model's own distribution.
struct SamplingFields {
    private let temperature: Float
    private let topK: Int
    private let topP: Float
    private let minP: Float
    private let repetitionPenalty: Float
    private let frequencyPenalty: Float
    private let presencePenalty: Float
    private let logitBias: [Int32: Float]
    private let seed: UInt64?

    /// Reads the fields.
    init(_ fields: RequestFields, vocabularySize: Int) throws(APIError) {
        temperature = try fields.number("temperature") ?? 1
        // vLLM's clients say -1 for off.
        topK = max(try fields.integer("top_k", in: -1 ... .max) ?? 0, 0)
        topP = try fields.number("top_p") ?? 1
        minP = try fields.number("min_p") ?? 0
        repetitionPenalty = try fields.number("repetition_penalty") ?? 1
        frequencyPenalty = try fields.number("frequency_penalty") ?? 0
        presencePenalty = try fields.number("presence_penalty") ?? 0
        seed = try fields.integer("seed").map { UInt64(bitPattern: Int64($0)) }
        var bias: [Int32: Float] = [:]
        if let object = try fields.object("logit_bias") {
            for (name, _) in object.all {
                guard let id = Int32(name), id >= 0, Int(id) < vocabularySize else {
                    throw .invalid(
                        fields.name("logit_bias"),
                        "'logit_bias' names the token '\(name.prefix(40))'; tokens are 0 to \(vocabularySize - 1)")
                }
                bias[id] = try object.number(name)
            }
        }
        logitBias = bias
        _ = try parameters(choice: 0)
    }

    /// The parameters of one of several answers: each draws for itself, and the same ones whenever the seed is the same.
    func parameters(choice: Int) throws(APIError) -> SamplingParameters {
        do throws(SamplingError) {
            return try SamplingParameters(
                temperature: temperature, topK: topK, topP: topP, minP: minP, repetitionPenalty: repetitionPenalty,
                frequencyPenalty: frequencyPenalty, presencePenalty: presencePenalty, logitBias: logitBias,
                seed: seed.map { $0 &+ UInt64(choice) })
        } catch {
            throw APIError(anything: error)
        }
    }
}

/// What requests of both endpoints say besides how tokens are chosen.
struct CommonFields {
    let sampling: SamplingFields
    let choices: Int
    let stops: StopStrings
    let stream: Bool
    /// Whether a stream ends with what the request took.
    let includesUsage: Bool
    let endsAtEndOfText: Bool
    /// What the sequence is called, so that it can be saved.
    let session: SessionName?

    init(_ fields: RequestFields, model: ServingDescription, limits: ServerLimits) throws(APIError) {
        try fields.refuseCacheSettings()
        if let name = try fields.string("model"), name != model.name, name != "default" {
            throw .notFound(
                "the model '\(name.prefix(100))' is not served here; '\(model.name)' is", parameter: "model",
                code: "model_not_found")
        }
        sampling = try SamplingFields(fields, vocabularySize: model.tokenizer.vocabularySize)
        choices = try fields.integer("n", in: 1...limits.choices) ?? 1
        stops = try Self.stops(fields, limits)
        stream = try fields.bool("stream") ?? false
        includesUsage = try fields.object("stream_options")?.bool("include_usage") ?? false
        endsAtEndOfText = !(try fields.bool("ignore_eos") ?? false)
        session = try fields.string("session").map { (name) throws(APIError) in try .init(session: name) }
        guard session == nil || choices == 1 else {
            throw .invalid("session", "'session' names one sequence, and 'n' is \(choices); give 1")
        }
    }

    private static func stops(_ fields: RequestFields, _ limits: ServerLimits) throws(APIError) -> StopStrings {
        var strings: [String] = []
        switch fields["stop"] {
        case nil: return .none
        case .string(let string): strings = [string]
        case .array(let elements):
            for (index, element) in elements.enumerated() {
                guard case .string(let string) = element else {
                    throw .invalid(
                        "stop", "'stop[\(index)]' is \(element.typeName), not a string", code: "invalid_type")
                }
                strings.append(string)
            }
        case .some(let other): throw fields.wrongType("stop", other, "a string or an array of strings")
        }
        guard strings.count <= limits.stops else {
            throw .invalid("stop", "'stop' has \(strings.count) strings; give at most \(limits.stops)")
        }
        if let long = strings.first(where: { $0.utf8.count > limits.stopBytes }) {
            throw .invalid("stop", "a stop string has \(long.utf8.count) bytes; give at most \(limits.stopBytes)")
        }
        do throws(StopStringError) {
            return try StopStrings(strings)
        } catch {
            throw .invalid("stop", error.description)
        }
    }

    /// Checks that a text can be a prompt at all, before it is taken apart: that takes a second for each megabyte.
    static func check(
        bytes: Int, parameter: String, model: ServingDescription, limits: ServerLimits
    ) throws(APIError) {
        let tokens = min(limits.promptTokens ?? .max, model.tokenCapacity)
        let (most, overflow) = tokens.multipliedReportingOverflow(by: model.longestTokenBytes)
        guard overflow || bytes <= most else {
            throw .invalid(
                parameter,
                "a prompt of \(bytes) bytes does not fit: prompts may have \(tokens) tokens, of up to "
                    + "\(model.longestTokenBytes) bytes each", code: "context_length_exceeded")
        }
    }

    /// Checks that a prompt and its answer can ever be held.
    static func check(
        prompt: Int, maxTokens: Int?, parameter: String, model: ServingDescription, limits: ServerLimits
    ) throws(APIError) {
        guard prompt > 0 else { throw .invalid(parameter, "the prompt has no tokens; give at least one") }
        let capacity = model.tokenCapacity
        let limit = min(limits.promptTokens ?? .max, capacity)
        // Where only the prompt is scored, it may fill everything.
        let (total, overflow) = prompt.addingReportingOverflow(maxTokens ?? 1)
        guard prompt <= limit, !overflow, total <= capacity else {
            let answer = maxTokens.map { " and an answer of up to \($0)" } ?? ""
            let bound = prompt > limit ? "prompts may have \(limit)" : "prompt and answer together may have \(capacity)"
            throw .invalid(
                parameter, "a prompt of \(prompt) tokens\(answer) does not fit: \(bound)",
                code: "context_length_exceeded")
        }
    }
}

extension SessionName {
    /// Reads the name of a session.
    init(session text: String) throws(APIError) {
        do throws(SessionError) {
            try self.init(text)
        } catch {
            throw APIError(error)
        }
    }
}
#endif

extension SamplingParameters: Codable {
    /// The names in JSON, which are the ones the OpenAI API and vLLM use.
    private enum CodingKeys: String, CodingKey, CaseIterable {
        case temperature
        case topK = "top_k"
        case topP = "top_p"
        case minP = "min_p"
        case repetitionPenalty = "repetition_penalty"
        case frequencyPenalty = "frequency_penalty"
        case presencePenalty = "presence_penalty"
        case penaltyWindow = "penalty_window"
        case logitBias = "logit_bias"
        case seed
    }

    private struct AnyKey: CodingKey {
        let stringValue: String
        let intValue: Int?

        init(stringValue: String) {
            self.stringValue = stringValue
            intValue = nil
        }

        init(intValue: Int) {
            stringValue = String(intValue)
            self.intValue = intValue
        }
    }

    /// Decodes parameters; those left out are neutral.
    ///
    /// - Throws: `SamplingError` for a value out of range or an unknown name, `DecodingError` for a wrong type.
    public init(from decoder: any Decoder) throws {
        // A misspelt parameter would otherwise be ignored without a word.
        for key in try decoder.container(keyedBy: AnyKey.self).allKeys
        where CodingKeys(stringValue: key.stringValue) == nil {
            throw SamplingError(
                reason: .unknownParameter, parameter: "sampling parameters", received: "'\(key.stringValue)'",
                remedy: "use \(CodingKeys.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let neutral = SamplingParameters.neutral
        func value<Value: Decodable>(_ key: CodingKeys, or fallback: Value) throws -> Value {
            try container.decodeIfPresent(Value.self, forKey: key) ?? fallback
        }
        // The keys of a JSON object are strings, to which Codable maps `Int` but not `Int32`.
        var bias: [Int32: Float] = [:]
        for (id, value) in try value(.logitBias, or: [Int: Float]()) {
            guard let token = Int32(exactly: id) else {
                throw SamplingError.outOfRange("logit_bias", "token id \(id)", permitted: "ids of at most \(Int32.max)")
            }
            bias[token] = value
        }
        try self.init(
            temperature: value(.temperature, or: neutral.temperature), topK: value(.topK, or: neutral.topK),
            topP: value(.topP, or: neutral.topP), minP: value(.minP, or: neutral.minP),
            repetitionPenalty: value(.repetitionPenalty, or: neutral.repetitionPenalty),
            frequencyPenalty: value(.frequencyPenalty, or: neutral.frequencyPenalty),
            presencePenalty: value(.presencePenalty, or: neutral.presencePenalty),
            penaltyWindow: value(.penaltyWindow, or: neutral.penaltyWindow), logitBias: bias,
            seed: container.decodeIfPresent(UInt64.self, forKey: .seed))
    }

    /// Encodes every parameter, also those at their defaults.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(temperature, forKey: .temperature)
        try container.encode(topK, forKey: .topK)
        try container.encode(topP, forKey: .topP)
        try container.encode(minP, forKey: .minP)
        try container.encode(repetitionPenalty, forKey: .repetitionPenalty)
        try container.encode(frequencyPenalty, forKey: .frequencyPenalty)
        try container.encode(presencePenalty, forKey: .presencePenalty)
        try container.encode(penaltyWindow, forKey: .penaltyWindow)
        let bias = Dictionary(uniqueKeysWithValues: logitBias.map { (Int($0.key), $0.value) })
        try container.encode(bias, forKey: .logitBias)
        try container.encodeIfPresent(seed, forKey: .seed)
    }
}

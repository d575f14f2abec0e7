/// How the next token is chosen from the logits: validated once, unchangeable, and the same in memory and in JSON.
///
/// The steps, in this order; a step whose parameter is at its default does nothing:
///
/// 1. `logitBias`
/// 2. `repetitionPenalty`, then `frequencyPenalty` and `presencePenalty`, over `penaltyWindow`
/// 3. `temperature`; 0 ends here with the largest logit
/// 4. `topK`
/// 5. `topP`
/// 6. `minP`
/// 7. the draw, seeded by `seed`
///
/// Hugging Face transformers keeps this order. vLLM differs in applying min-p before top-k and top-p. llama.cpp's
/// default chain has the temperature last, so that there top-p and min-p see the distribution at temperature 1; at
/// temperatures 0 and 1 both orders agree.
public struct SamplingParameters: Sendable, Hashable {
    let temperatureStep: Temperature
    let topKStep: TopK
    let topPStep: TopP
    let minPStep: MinP
    let repetitionStep: RepetitionPenalty
    let frequencyAndPresenceStep: FrequencyAndPresencePenalty
    let window: PenaltyWindow
    let biasStep: LogitBias

    /// Divides the logits; 0 is greedy.
    public var temperature: Float { temperatureStep.value }
    /// The number of most likely tokens kept; 0 is off.
    public var topK: Int { topKStep.count }
    /// The probability kept, from the most likely token down; 1 is off.
    public var topP: Float { topPStep.probability }
    /// The least probability kept, as a share of the most likely token's; 0 is off.
    public var minP: Float { minPStep.ratio }
    /// The factor by which tokens of the prompt and of the generated text lose; 1 is off.
    public var repetitionPenalty: Float { repetitionStep.value }
    /// What a generated token's logit loses per occurrence; 0 is off.
    public var frequencyPenalty: Float { frequencyAndPresenceStep.frequency }
    /// What a generated token's logit loses once; 0 is off.
    public var presencePenalty: Float { frequencyAndPresenceStep.presence }
    /// The number of latest tokens the penalties look at; -1 is all.
    public var penaltyWindow: Int { window.length }
    /// Added to the logits of single tokens, by id.
    public var logitBias: [Int32: Float] { biasStep.values }
    /// Makes the draws reproducible; `nil` lets every sampler choose its own seed.
    public let seed: UInt64?

    /// The largest logit always wins; every other step is off.
    public static let greedy = SamplingParameters(temperatureStep: .greedy)
    /// The model's own distribution: temperature 1, every other step is off.
    public static let neutral = SamplingParameters(temperatureStep: .neutral)

    private init(temperatureStep: Temperature) {
        self.temperatureStep = temperatureStep
        topKStep = .off
        topPStep = .off
        minPStep = .off
        repetitionStep = .off
        frequencyAndPresenceStep = .off
        window = .all
        biasStep = .off
        seed = nil
    }

    /// Creates parameters; those left out are neutral.
    ///
    /// - Parameters:
    ///   - temperature: 0 (greedy) or more, finite.
    ///   - topK: 0 (off) or more.
    ///   - topP: 0 ... 1.
    ///   - minP: 0 ... 1.
    ///   - repetitionPenalty: Above 0, finite.
    ///   - frequencyPenalty: -2 ... 2.
    ///   - presencePenalty: -2 ... 2.
    ///   - penaltyWindow: -1 (all) or more.
    ///   - logitBias: -100 ... 100 per token id.
    ///   - seed: Any.
    /// - Throws: `SamplingError` naming the first parameter out of its range.
    public init(
        temperature: Float = 1, topK: Int = 0, topP: Float = 1, minP: Float = 0, repetitionPenalty: Float = 1,
        frequencyPenalty: Float = 0, presencePenalty: Float = 0, penaltyWindow: Int = -1,
        logitBias: [Int32: Float] = [:], seed: UInt64? = nil
    ) throws(SamplingError) {
        temperatureStep = try Temperature(temperature)
        topKStep = try TopK(topK)
        topPStep = try TopP(topP)
        minPStep = try MinP(minP)
        repetitionStep = try RepetitionPenalty(repetitionPenalty)
        frequencyAndPresenceStep = try FrequencyAndPresencePenalty(
            frequency: frequencyPenalty, presence: presencePenalty)
        window = try PenaltyWindow(penaltyWindow)
        biasStep = try LogitBias(logitBias)
        self.seed = seed
    }

    /// Whether the largest logit always wins, so that no random number is drawn.
    public var isGreedy: Bool { temperatureStep.isGreedy }

    /// Whether a step before the temperature changes the logits.
    var adjustsLogits: Bool { !biasStep.isOff || !repetitionStep.isOff || !frequencyAndPresenceStep.isOff }
}

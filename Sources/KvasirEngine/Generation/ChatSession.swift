internal import KvasirCache
public import KvasirTokenizers

/// A conversation: the turns so far, written with the model's chat template, and their cached tokens.
///
/// A turn computes only what is new. An answer stays as the tokens that were generated, which need not be those its text
/// would be cut into, so that the cache of every earlier turn serves the next.
public final class ChatSession {
    /// The template the turns are written with.
    public let template: ChatTemplate
    /// The turns so far, the system message included if one was given.
    public private(set) var messages: [ChatMessage]

    private let session: GenerationSession
    private let thinks: Bool
    private let systemMessages: [ChatMessage]
    /// The conversation up to the end of the last answer, as text and as the tokens it consists of.
    private var written: (text: [UInt8], tokens: [Int32])?

    /// Starts a conversation.
    ///
    /// - Parameters:
    ///   - engine: the model and its cache.
    ///   - system: instructions for the whole conversation; the template's own if nil.
    ///   - thinks: whether a model that can may think before its answers.
    /// - Throws: `ChatTemplateError` if the model has no template that is known, or one without a choice about thinking.
    public init(
        _ engine: InferenceEngine, system: String? = nil, thinks: Bool = true
    ) throws(ChatTemplateError) {
        template = try engine.model.chatTemplate()
        self.thinks = thinks
        guard thinks || template.hasThoughts else { throw ChatTemplateError(.noThoughts(family: template.family)) }
        session = GenerationSession(engine)
        systemMessages = system.map { [ChatMessage(role: .system, content: $0)] } ?? []
        messages = systemMessages
    }

    /// Tokens in the cache.
    public var cachedTokens: Int { session.sequence.count }

    /// Bytes of cache the conversation holds.
    public var cacheBytes: Int { session.sequence.bytes }

    /// Forgets all turns but the system message, and gives the cache back.
    public func reset() {
        session.reset()
        messages = systemMessages
        written = nil
    }

    /// Answers the user's next message.
    ///
    /// A turn that fails, or is cancelled before its first token, leaves the conversation as it was. An answer that is
    /// cut short stays in it.
    ///
    /// - Parameters:
    ///   - message: what the user says.
    ///   - sampling: how tokens are chosen.
    ///   - maxTokens: the most tokens of the answer; as many as the context and the cache budget leave if nil.
    ///   - stops: strings that end the answer.
    ///   - onText: as of `GenerationSession.generate`.
    ///   - isCancelled: as of `GenerationSession.generate`.
    /// - Throws: `EngineError` or `CacheError` if the conversation has outgrown the context or the budget,
    ///   `ChatTemplateError` if the model's template has no place for the system message.
    public func answer(
        _ message: String, sampling: SamplingParameters, maxTokens: Int? = nil, stops: StopStrings = .none,
        onText: (String) -> Void = { _ in }, isCancelled: () -> Bool = { false }
    ) throws -> GenerationResult {
        let turns = messages + [ChatMessage(role: .user, content: message)]
        let text = Array(try template.render(messages: turns, addGenerationPrompt: true, thinks: thinks).utf8)
        let prompt = tokens(of: text)
        let engine = session.engine
        // Without room for a single token of the answer there is no turn.
        try engine.check(prompt.count + 1, received: "conversation")
        try engine.checkRoom(forTokens: prompt.count + 1)
        let request = GenerationRequest(
            prompt: prompt, sampling: sampling,
            maxTokens: min(maxTokens ?? .max, engine.tokenCapacity - prompt.count), stops: stops)
        let result = try session.generate(request, onText: onText, isCancelled: isCancelled)
        guard !result.tokens.isEmpty else { return result }
        messages = turns + [ChatMessage(role: .assistant, content: result.text)]
        written = continuation(of: text, prompt, by: result)
        return result
    }

    /// The tokens of the conversation's text: those that are known as they are, and those of the text after them.
    private func tokens(of text: [UInt8]) -> [Int32] {
        let tokenizer = session.engine.model.tokenizer
        guard let written, text.starts(with: written.text) else {
            return tokenizer.encode(text, addSpecial: false, parseSpecial: true)
        }
        // What follows an answer in a template is a special token, so nothing is merged across the seam.
        let rest = Array(text[written.text.count...])
        return written.tokens + tokenizer.encode(rest, addSpecial: false, parseSpecial: true)
    }

    /// The conversation after an answer; nil if the tokens say more than the text (a stop string was cut off).
    private func continuation(
        of text: [UInt8], _ prompt: [Int32], by result: GenerationResult
    ) -> (text: [UInt8], tokens: [Int32])? {
        var answer = result.tokens
        if let last = answer.last, session.engine.model.tokenizer.endOfGenerationIDs.contains(last) {
            // The template writes the end of a turn itself.
            answer.removeLast()
        } else if result.finishReason == .stop {
            return nil
        }
        return (text + Array(result.text.utf8), prompt + answer)
    }
}

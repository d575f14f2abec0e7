/// Turns a conversation into the text a chat model was trained on.
///
/// The template in a model file is a program; this recognises the families it is written in and takes their variable
/// parts, such as the default system message, from its text. A template that does more than its family is refused rather
/// than approximated.
///
/// The text of a conversation's first messages begins the text of the longer conversation, so a cache filled with the
/// one serves the other; the exceptions are Mistral with a system message, and Qwen3, which writes earlier answers without
/// their thoughts. The text contains special tokens, the
/// beginning-of-sequence token included where the template writes it: encode it with `addSpecial: false,
/// parseSpecial: true`.
public struct ChatTemplate: Sendable, Hashable {
    /// A way of writing conversations.
    public enum Family: String, Sendable, Hashable, CaseIterable, CustomStringConvertible {
        /// `<|im_start|>role`, line break, content, `<|im_end|>`: SmolLM2, Qwen2 to Qwen3 and many others.
        case chatML = "ChatML"
        /// `<|start_header_id|>role<|end_header_id|>`, blank line, content, `<|eot_id|>`.
        case llama3 = "Llama 3"
        /// `<start_of_turn>role`, line break, content, `<end_of_turn>`: Gemma 1 to 3.
        case gemma = "Gemma"
        /// `[INST] content [/INST]`, answer, end of text: Mistral 7B and Mixtral.
        case mistral = "Mistral"

        /// The family's name.
        public var description: String { rawValue }
    }

    private enum Writer: Sendable, Hashable {
        case chatML(ChatMLTemplate)
        case llama3(Llama3Template)
        case gemma(GemmaTemplate)
        case mistral(MistralTemplate)
    }

    private let writer: Writer

    /// Recognises a template.
    ///
    /// - Parameters:
    ///   - source: The GGUF key `tokenizer.chat_template`, or a folder's template; nil where there is none.
    ///   - architecture: The model's architecture, for the error's text only.
    ///   - bosToken: The text of the model's beginning-of-sequence token, for templates that write it.
    ///   - eosToken: The text of its end-of-sequence token, for templates that write it.
    /// - Throws: `ChatTemplateError` that says what was found.
    public init(
        source: String?, architecture: String? = nil, bosToken: String? = nil, eosToken: String? = nil
    ) throws(ChatTemplateError) {
        guard let source, source.utf8.contains(where: { $0 > 0x20 }) else {
            throw ChatTemplateError(.missing(architecture: architecture))
        }
        let text = TemplateSource(source)
        if text.contains("<|im_start|>"), text.contains("<|im_end|>") {
            writer = .chatML(try ChatMLTemplate(text))
        } else if text.contains("<|start_header_id|>"), text.contains("<|eot_id|>") {
            writer = .llama3(try Llama3Template(text, bosToken: bosToken ?? ""))
        } else if text.contains("<start_of_turn>"), text.contains("<end_of_turn>") {
            writer = .gemma(try GemmaTemplate(text, bosToken: bosToken ?? ""))
        } else if text.contains("[INST]"), text.contains("[/INST]") {
            writer = .mistral(try MistralTemplate(text, bosToken: bosToken ?? "", eosToken: eosToken ?? ""))
        } else {
            let beginning = source.split(whereSeparator: \.isWhitespace).joined(separator: " ").prefix(60)
            throw ChatTemplateError(.unknownFamily(beginning: String(beginning), architecture: architecture))
        }
    }

    /// The family the template belongs to.
    public var family: Family {
        switch writer {
        case .chatML: .chatML
        case .llama3: .llama3
        case .gemma: .gemma
        case .mistral: .mistral
        }
    }

    /// The system message that is written where a conversation has none of its own; nil if none is.
    public var defaultSystemMessage: String? {
        switch writer {
        case .chatML(let template): template.defaultSystemMessage
        case .llama3, .gemma, .mistral: nil
        }
    }

    /// Whether the model thinks before it answers, and can be asked not to: Qwen3.
    public var hasThoughts: Bool {
        switch writer {
        case .chatML(let template): template.hasThoughts
        case .llama3, .gemma, .mistral: false
        }
    }

    /// The text of a conversation.
    ///
    /// - Parameters:
    ///   - messages: The turns in order. No turns give no text, whatever the template would make of them.
    ///   - addGenerationPrompt: Whether the text ends where the model's answer begins.
    ///   - thinks: Whether the model may think before its answer; templates call it `enable_thinking`.
    /// - Returns: Text with the special tokens written out.
    /// - Throws: `ChatTemplateError` with reason `.conversation` where the model knows no such turns: a system message, or
    ///   turns that do not alternate; with `.noThoughts` where a model is asked not to think that has no such choice.
    public func render(
        messages: [ChatMessage], addGenerationPrompt: Bool, thinks: Bool = true
    ) throws(ChatTemplateError) -> String {
        guard thinks || hasThoughts else { throw ChatTemplateError(.noThoughts(family: family)) }
        return switch writer {
        case .chatML(let template):
            template.render(messages, addGenerationPrompt: addGenerationPrompt, thinks: thinks)
        case .llama3(let template): template.render(messages, addGenerationPrompt: addGenerationPrompt)
        case .gemma(let template): try template.render(messages, addGenerationPrompt: addGenerationPrompt)
        case .mistral(let template): try template.render(messages, addGenerationPrompt: addGenerationPrompt)
        }
    }

    /// What a turn that is not the one whose it should be is refused with.
    static func outOfTurn(_ index: Int, _ message: ChatMessage, family: Family) -> ChatTemplateError {
        ChatTemplateError(.conversation("turn \(index + 1) is the \(message.role.rawValue)'s", family: family))
    }

    /// The content without white space at its ends, as Python's `str.strip` sees it.
    static func trimmed(_ content: String) -> String {
        func isSpace(_ scalar: Unicode.Scalar) -> Bool {
            scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
        }
        var scalars = content.unicodeScalars[...]
        scalars = scalars.drop(while: isSpace)
        while let last = scalars.last, isSpace(last) { scalars.removeLast() }
        return String(scalars)
    }
}

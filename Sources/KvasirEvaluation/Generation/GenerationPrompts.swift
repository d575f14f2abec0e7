public import KvasirEngine
internal import KvasirTokenizers

/// Prompts that a long text is generated after.
public enum GenerationPrompts {
    /// Beginnings of ordinary texts.
    public static let builtIn = [
        "The lighthouse keeper had not spoken to anyone for eleven days when the boat appeared. At first he thought it was",
        "The history of the bicycle begins in the early nineteenth century, when",
        "Most people believe that sleep is a time when the brain rests, but research has shown that",
        "To bake a good loaf of bread at home, you need only a few things. First,",
    ]

    /// The tokens of texts.
    ///
    /// - Throws: `EvaluationError` if a text has none.
    public static func tokens(of texts: [String], model: LanguageModel) throws(EvaluationError) -> [[Int32]] {
        try texts.map { text throws(EvaluationError) in
            let tokens = model.tokenizer.encode(text, addSpecial: true, parseSpecial: false)
            guard !tokens.isEmpty else {
                throw EvaluationError(received: "a prompt without tokens", remedy: "give some text")
            }
            return tokens
        }
    }

    /// Prompts cut from a text at even distances.
    ///
    /// - Parameters:
    ///   - text: the bytes of the text, as they are.
    ///   - count: prompts.
    ///   - length: tokens of each.
    ///   - model: whose tokens they are.
    /// - Throws: `EvaluationError` if a number is not positive, or the text too short for prompts that share nothing.
    public static func cut(
        _ text: [UInt8], count: Int, length: Int, model: LanguageModel
    ) throws(EvaluationError) -> [[Int32]] {
        guard count >= 1 else {
            throw EvaluationError(received: "\(count) prompts", remedy: "use at least one")
        }
        guard length >= 1 else {
            throw EvaluationError(received: "prompts of \(length) tokens", remedy: "use at least one")
        }
        let tokenizer = model.tokenizer
        let tokens = tokenizer.encode(text, addSpecial: false, parseSpecial: false)
        let first = tokenizer.addsBOS ? tokenizer.bosID : nil
        let own = length - (first == nil ? 0 : 1)
        guard tokens.count / count >= max(own, 1) else {
            throw EvaluationError(
                received: "a text of \(tokens.count) tokens",
                remedy: "it does not give \(count) prompts of \(length); use a longer text, or fewer or shorter prompts"
            )
        }
        return (0..<count).map { index in
            let start = tokens.count / count * index
            return (first.map { [$0] } ?? []) + tokens[start..<start + own]
        }
    }
}

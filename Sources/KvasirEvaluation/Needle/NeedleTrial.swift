internal import KvasirEngine
internal import KvasirNumerics
internal import KvasirTokenizers

/// The prompts of one text: the same sentences and numbers, the number asked for at every depth.
public struct NeedleTrial: Sendable {
    /// A prompt with its right answer.
    struct Prompt {
        let depth: Int
        let tokens: [Int32]
    }

    /// The most tokens of a prompt and its answer.
    public let length: Int
    /// Which trial, from 0 on.
    public let number: Int

    /// By depth, the deepest first: each has the text before its own number in common with the ones after it, so less is
    /// computed.
    let prompts: [Prompt]
    /// The number asked for, then the others that are hidden, then others.
    let candidates: [String]
    /// The candidates as the answer would go on.
    let continuations: [[Int32]]

    init(_ evaluation: NeedleEvaluation, length: Int, number: Int, model: LanguageModel) throws {
        self.length = length
        self.number = number
        // Neighbouring seeds give unrelated sequences, so a sum that is not twice the same suffices.
        var random = SeededGenerator(seed: evaluation.seed &+ UInt64(number) &* 1_000_003 &+ UInt64(length) << 32)
        let candidates = Self.numbers(evaluation.candidates, &random)
        let tokenizer = model.tokenizer
        continuations = candidates.map { tokenizer.encode(" " + $0, addSpecial: false, parseSpecial: false) }
        self.candidates = candidates

        let mode = evaluation.mode
        let names = NeedleMode.names.shuffled(using: &random).prefix(mode.keys)
        let needles = zip(names, candidates).map { mode.needle(name: $0, value: $1) }
        let writer = try NeedleWriter(
            model: model, wording: mode.wording(name: names[names.startIndex]),
            usesChatTemplate: evaluation.usesChatTemplate)
        let room = length - (continuations.map(\.count).max() ?? 0) - NeedleEvaluation.answerSlack

        let text = evaluation.haystack.sentences(seed: random.next())
        let sentences = try Self.fill(room, with: text, beside: needles, writer)
        // The others stay where they are at every depth.
        let places = needles.dropFirst().map { _ in Int.random(in: 0...sentences.count, using: &random) }
        prompts = try evaluation.depths.sorted(by: >).map { depth in
            let place = (sentences.count * depth + 50) / 100
            var text = sentences
            // From the back, so that earlier places keep their meaning; one asked for comes after another at its place.
            let insertions = zip(places + [place], needles.dropFirst() + [needles[0]])
            for (place, needle) in insertions.sorted(by: { $0.0 > $1.0 }) { text.insert(needle, at: place) }
            return Prompt(depth: depth, tokens: try writer.tokens(of: text))
        }
        precondition(prompts.allSatisfy { $0.tokens.count <= room }, "the sentences were counted")
    }

    /// Different numbers of as many digits.
    private static func numbers(_ count: Int, _ random: inout SeededGenerator) -> [String] {
        let least = (1..<NeedleEvaluation.digits).reduce(1) { power, _ in power * 10 }
        var numbers: [Int] = []
        while numbers.count < count {
            let number = Int.random(in: least..<least * 10, using: &random)
            if !numbers.contains(number) { numbers.append(number) }
        }
        return numbers.map(String.init)
    }

    /// As many sentences as fit `room` tokens beside the needles.
    private static func fill(
        _ room: Int, with text: AnyIterator<String>, beside needles: [String], _ writer: NeedleWriter
    ) throws -> [String] {
        var sentences: [String] = []
        // Sentence by sentence there may be a token more or less than in one piece: a few are kept back for that.
        var used = try writer.tokens(of: needles).count + needles.count + reserve
        guard used < room else {
            throw EvaluationError(
                received: "prompts of \(room) tokens with \(needles.count) hidden numbers",
                remedy: "question and numbers alone take \(used); use a greater length, or fewer keys")
        }
        while true {
            guard let sentence = text.next() else {
                throw EvaluationError(
                    received: "a text of \(sentences.count) sentences",
                    remedy: "it does not fill a prompt of \(room) tokens; use a longer text or a shorter length")
            }
            used += writer.tokenCount(of: sentence)
            guard used <= room else { return sentences }
            sentences.append(sentence)
        }
    }

    private static let reserve = 8
}

/// Writes prompts: an introduction, the text, the question, and how the answer begins.
struct NeedleWriter {
    private let tokenizer: any Tokenizer
    private let template: ChatTemplate?
    private let wording: NeedleMode.Wording

    init(model: LanguageModel, wording: NeedleMode.Wording, usesChatTemplate: Bool) throws(ChatTemplateError) {
        tokenizer = model.tokenizer
        template = usesChatTemplate ? try model.chatTemplate() : nil
        self.wording = wording
    }

    func text(of sentences: [String]) throws(ChatTemplateError) -> String {
        let content =
            "\(wording.introduction)\n\n\(sentences.joined(separator: " "))\n\n\(wording.question)"
        guard let template else { return "\(content)\n\(wording.answer)" }
        let message = ChatMessage(role: .user, content: content)
        return try template.render(messages: [message], addGenerationPrompt: true) + wording.answer
    }

    func tokens(of sentences: [String]) throws(ChatTemplateError) -> [Int32] {
        // A template writes every special token itself.
        tokenizer.encode(try text(of: sentences), addSpecial: template == nil, parseSpecial: template != nil)
    }

    /// Tokens of a sentence inside the text.
    func tokenCount(of sentence: String) -> Int {
        tokenizer.encode(" " + sentence, addSpecial: false, parseSpecial: false).count
    }
}

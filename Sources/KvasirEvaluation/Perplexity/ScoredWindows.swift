internal import KvasirEngine
internal import KvasirModels
internal import KvasirTokenizers

/// How a text is cut into windows, and which of their predictions are scored.
public enum WindowForm: Sendable, Hashable {
    /// Windows that share nothing; of each the predictions at positions `context/2 ..< context-1`: llama.cpp's tool.
    ///
    /// Every scored token has seen at least half a window. A model that was trained with a first token gets it in every
    /// window.
    case separate
    /// Windows that start `stride` tokens apart; of each the tokens that no window before has scored: the strided form that
    /// Hugging Face documents for models of fixed length.
    case strided(Int)

    /// The name in results: `windows` or `strided`.
    public var name: String {
        switch self {
        case .separate: "windows"
        case .strided: "strided"
        }
    }

    /// The stride; nil if windows share nothing.
    public var stride: Int? {
        if case .strided(let stride) = self { stride } else { nil }
    }
}

/// A run of tokens from an empty cache, of which some predictions are scored.
struct ScoredWindow {
    let tokens: [Int32]
    /// Positions whose prediction of the next token is scored.
    let scored: Range<Int>
    /// How many predictions the window counts for in the mean.
    let weight: Int

    /// The tokens before the first scored position: what a prompt is to an answer.
    var promptLength: Int { scored.lowerBound }

    /// The rows of a step that ran positions `chunk` whose positions are scored.
    func rows(in chunk: Range<Int>) -> Range<Int> {
        let positions = scored.clamped(to: chunk)
        return positions.isEmpty
            ? 0..<0 : positions.lowerBound - chunk.lowerBound..<positions.upperBound - chunk.lowerBound
    }
}

/// A text's tokens cut into windows.
struct ScoredWindows {
    /// Windows.
    let count: Int

    private let tokens: [Int32]
    private let context: Int
    private let form: WindowForm
    /// What a model that was trained with a first token gets in every separate window.
    private let first: Int32?

    /// Checks what can be checked without a text.
    static func check(context: Int, count: Int?, form: WindowForm = .separate) throws(EvaluationError) {
        guard context >= 4 else {
            throw EvaluationError(received: "windows of \(context) tokens", remedy: "use at least 4")
        }
        if let count, count < 1 {
            throw EvaluationError(received: "\(count) windows", remedy: "score at least one, or all by default")
        }
        if case .strided(let stride) = form, !(2...context ~= stride) {
            throw EvaluationError(
                received: "a stride of \(stride) tokens",
                remedy: "use 2 to \(context): windows of \(context) tokens that start further apart skip text")
        }
    }

    /// Cuts a text; all windows that it fills if `count` is nil.
    ///
    /// - Throws: `EvaluationError` if a window exceeds the engine's context or the text does not fill them.
    init(
        _ text: [UInt8], context: Int, count: Int?, form: WindowForm = .separate, engine: InferenceEngine
    ) throws(EvaluationError) {
        guard context <= engine.contextLength else {
            throw EvaluationError(
                received: "windows of \(context) tokens",
                remedy: "the engine's context holds \(engine.contextLength); use shorter windows")
        }
        let tokenizer = engine.model.tokenizer
        tokens = tokenizer.encode(text, addSpecial: true, parseSpecial: false)
        guard tokens.count >= context else {
            throw EvaluationError(
                received: "a text of \(tokens.count) tokens",
                remedy: "it does not fill a window of \(context); use a longer text or a shorter window")
        }
        let available =
            switch form {
            case .separate: tokens.count / context
            // The last one ends with the text and may be shorter.
            case .strided(let stride): 1 + (tokens.count - context + stride - 1) / stride
            }
        if let count, count > available {
            throw EvaluationError(
                received: "\(count) windows of \(context) tokens",
                remedy: "the text fills \(available); use fewer or shorter windows, or a longer text")
        }
        self.context = context
        self.form = form
        self.count = count ?? available
        first = tokenizer.addsBOS ? tokenizer.bosID : nil
    }

    /// A window.
    subscript(window: Int) -> ScoredWindow {
        switch form {
        case .separate:
            var piece = Array(tokens[window * context..<(window + 1) * context])
            if let first { piece[0] = first }
            let scored = context / 2..<context - 1
            return ScoredWindow(tokens: piece, scored: scored, weight: scored.count)
        case .strided(let stride):
            let begin = window * stride
            let end = min(begin + context, tokens.count)
            let before = window == 0 ? 0 : min(begin - stride + context, tokens.count)
            let new = end - before
            // The first token of a window has no prediction. The documented loop counts one prediction less than there
            // are targets in every window, although all but the first window predict all of them.
            let scored = max(before - begin - 1, 0)..<end - begin - 1
            return ScoredWindow(tokens: Array(tokens[begin..<end]), scored: scored, weight: new - 1)
        }
    }
}

internal import KvasirNumerics

/// What is hidden, and what is asked for.
public enum NeedleMode: Sendable, Hashable, CustomStringConvertible {
    /// One number, the pass key, and a question for it (Mohtashami and Jaggi, "Landmark Attention", arXiv:2305.16300).
    case single
    /// This many numbers, each with a name, and a question for one of them: the multi-key task of Hsieh et al., "RULER"
    /// (arXiv:2404.06654). The other numbers are the distractors that are hardest to tell apart.
    case multi(keys: Int)

    /// `single` or `multi`.
    public var description: String {
        switch self {
        case .single: "single"
        case .multi: "multi"
        }
    }

    /// Numbers hidden in a prompt.
    public var keys: Int {
        switch self {
        case .single: 1
        case .multi(let keys): keys
        }
    }

    /// The most numbers that can be hidden: names there are for them.
    public static let mostKeys = names.count

    /// What things are called that have a number.
    static let names = [
        "lantern", "harbour", "walnut", "violin", "compass", "meadow", "candle", "orchard", "anchor", "feather",
        "kettle", "glacier", "saddle", "thimble", "cathedral", "pepper", "marble", "sparrow", "ribbon", "hammer",
        "pillow", "cactus", "teapot", "velvet",
    ]

    /// The sentences around a haystack.
    struct Wording {
        let introduction: String
        let question: String
        /// How the answer begins, so that a model without practice in answering has nothing but the number to add.
        let answer: String
    }

    func wording(name: String) -> Wording {
        switch self {
        case .single:
            Wording(
                introduction: "A pass key is hidden in the text below. Find it and remember it.",
                question: "What is the pass key?", answer: "The pass key is")
        case .multi:
            Wording(
                introduction: "Some things in the text below have a magic number. Remember the numbers.",
                question: "What is the magic number of the \(name)?", answer: "The magic number of the \(name) is")
        }
    }

    func needle(name: String, value: String) -> String {
        switch self {
        case .single: "The pass key is \(value). Remember it. \(value) is the pass key."
        case .multi: "The magic number of the \(name) is \(value)."
        }
    }
}

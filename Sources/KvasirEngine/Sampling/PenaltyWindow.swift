/// How many of the latest tokens the penalties look at.
///
/// Range: -1 (all), 0 (none), or a number of tokens; typically 64 ... 1024, or all.
///
/// 1. The window is the last n tokens of prompt and generated text together.
/// 2. The repetition penalty sees the whole window, frequency and presence penalty its generated part.
struct PenaltyWindow: Sendable, Hashable {
    let length: Int

    static let all = PenaltyWindow(unchecked: -1)

    init(_ length: Int) throws(SamplingError) {
        guard length >= -1 else {
            throw .outOfRange("penalty_window", length, permitted: "a number of tokens, 0 (none) or -1 (all)")
        }
        self.length = length
    }

    private init(unchecked length: Int) { self.length = length }

    /// The tokens of `history` within the window.
    func tokens(of history: UnsafeBufferPointer<Int32>) -> UnsafeBufferPointer<Int32> {
        guard length >= 0, length < history.count else { return history }
        return UnsafeBufferPointer(rebasing: history.suffix(length))
    }

    /// The tokens of `history` within the window that follow the prompt.
    func generatedTokens(of history: UnsafeBufferPointer<Int32>, promptCount: Int) -> UnsafeBufferPointer<Int32> {
        let generated = UnsafeBufferPointer(rebasing: history.dropFirst(promptCount))
        return tokens(of: generated)
    }
}

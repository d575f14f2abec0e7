/// Which tokens a query reads in f16: decided by its position and theirs alone, so that neither chunks nor neighbours show.
///
/// A query at position p reads the first `sinks` tokens, and those from `start(at: p)` on, in f16; the others packed.
public struct ExactTokens: Sendable, Hashable {
    /// Tokens at the start of the sequence.
    public let sinks: Int
    /// Tokens up to the query, itself included.
    public let recent: Int
    /// Tokens of a block, counted from position 0, whose begun one is read in f16; 1 for none.
    public let block: Int

    /// Creates the rule.
    public init(sinks: Int, recent: Int, block: Int = 1) {
        precondition(sinks >= 0 && recent >= 0 && block >= 1, "no negative number of tokens")
        self.sinks = sinks
        self.recent = recent
        self.block = block
    }

    /// The first token that a query at `position` reads in f16 besides the sinks; beyond `position` if there is none.
    public func start(at position: Int) -> Int {
        let sliding = max(position + 1 - recent, 0)
        return block > 1 ? min(sliding, position / block * block) : sliding
    }

    /// The most tokens before a query, itself included, that it reads in f16.
    var longest: Int { max(recent, block > 1 ? block : 0) }

    /// Whether there is any token to keep.
    var isEmpty: Bool { sinks == 0 && longest == 0 }

    /// Whether a query at `position` reads `token` in f16.
    func contains(_ token: Int, at position: Int) -> Bool { token < sinks || token >= start(at: position) }
}

#if Server
internal import KvasirEngine
internal import KvasirTokenizers

/// Lets through only tokens that continue a text of a grammar, and its end only where the text may end.
struct GrammarConstraint: TokenConstraint {
    private let machine: GrammarMachine
    private var state: GrammarMachine.State

    /// Starts at the beginning of a text; nil if the grammar has none.
    init?(_ grammar: Grammar, _ trie: TokenTrie) {
        machine = GrammarMachine(grammar, trie)
        guard machine.isPossible else { return nil }
        state = machine.start
    }

    mutating func mask(_ logits: UnsafeMutableBufferPointer<Float>) {
        let ends = machine.trie.vocabulary.endOfGenerationIDs
        // Where nothing leads on, only the end is left.
        let mayEnd = state == GrammarMachine.dead || machine.mayEnd(state)
        machine.withAllowedTokens(state) { allowed in
            for token in logits.indices {
                let word = token >> 6
                if word < allowed.count, allowed[word] >> UInt64(token & 63) & 1 == 1 { continue }
                if mayEnd, ends.contains(Int32(token)) { continue }
                logits[token] = -.infinity
            }
        }
    }

    mutating func accept(_ token: Int32) {
        let vocabulary = machine.trie.vocabulary
        guard state != GrammarMachine.dead, !vocabulary.endOfGenerationIDs.contains(token) else { return }
        state = machine.advance(state, by: vocabulary.tokenBytes(token) ?? [])
    }
}
#endif

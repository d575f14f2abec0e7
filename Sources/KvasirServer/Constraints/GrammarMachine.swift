#if Server
internal import KvasirTokenizers
internal import Synchronization

/// Runs a grammar over bytes and finds the tokens that may come next.
///
/// All ways through the grammar are followed at once. What they have come to is a set of stacks; equal sets are one state,
/// and what a byte leads to from a state is remembered, so that after some tokens the machine is a table: the inside of a
/// string is the same state whatever it says. The tokens a state allows are remembered, too.
final class GrammarMachine: Sendable {
    /// A set of stacks, as an index.
    typealias State = Int32

    /// No way leads on.
    static let dead: State = -1
    private static let unknown: State = -2
    /// Ways that are followed at once; of a grammar that is more ambiguous than anybody's, the others are left out.
    private static let mostStacks = 4096

    private struct Cell: Hashable {
        let node: Int32
        let below: Int32
    }

    private struct Tables {
        /// Stacks, as lists that share their tails; -1 is the empty one.
        var cells: [Cell] = []
        var cellIndex: [Cell: Int32] = [:]
        /// For each state its stacks, with a node that takes a byte on top; -1 where the text may end.
        var states: [[Int32]] = []
        var stateIndex: [[Int32]: State] = [:]
        var transitions: [State] = []
        var allowed: [[UInt64]?] = []
    }

    let trie: TokenTrie
    private let grammar: Grammar
    private let tables = Mutex(Tables())

    init(_ grammar: Grammar, _ trie: TokenTrie) {
        self.grammar = grammar
        self.trie = trie
    }

    /// Where the text begins.
    var start: State {
        tables.withLock { tables in
            var stacks: Set<Int32> = []
            var visited: Set<Cell> = []
            close(grammar.start, -1, &stacks, &visited, &tables)
            return state(stacks, &tables)
        }
    }

    /// Whether there is any text at all: a rule that begins with itself has none.
    var isPossible: Bool {
        let start = start
        return tables.withLock { !$0.states[Int(start)].isEmpty }
    }

    /// Whether the text may end.
    func mayEnd(_ state: State) -> Bool {
        tables.withLock { state != Self.dead && $0.states[Int(state)].first == -1 }
    }

    /// The state after some bytes.
    func advance(_ state: State, by bytes: some Sequence<UInt8>) -> State {
        tables.withLock { tables in
            var state = state
            for byte in bytes where state != Self.dead { state = step(state, byte, &tables) }
            return state
        }
    }

    /// Calls `body` with the tokens that may come next, as bits.
    func withAllowedTokens<Value>(_ state: State, _ body: ([UInt64]) -> Value) -> Value {
        let allowed = tables.withLock { tables -> [UInt64] in
            guard state != Self.dead else { return [] }
            if let known = tables.allowed[Int(state)] { return known }
            let found = walk(state, &tables)
            tables.allowed[Int(state)] = found
            return found
        }
        return body(allowed)
    }

    private func walk(_ state: State, _ tables: inout Tables) -> [UInt64] {
        var allowed = [UInt64](repeating: 0, count: (trie.vocabulary.count + 63) / 64)
        var states = [State](repeating: Self.dead, count: trie.deepest + 1)
        states[0] = state
        var node = 0
        let count = trie.bytes.count
        while node < count {
            let depth = Int(trie.depths[node])
            let next = step(states[depth - 1], trie.bytes[node], &tables)
            guard next != Self.dead else {
                node = Int(trie.ends[node])
                continue
            }
            states[depth] = next
            for index in Int(trie.starts[node])..<Int(trie.starts[node + 1]) {
                let token = Int(trie.tokens[index])
                allowed[token >> 6] |= 1 << UInt64(token & 63)
            }
            node += 1
        }
        return allowed
    }

    // MARK: - States

    private func step(_ state: State, _ byte: UInt8, _ tables: inout Tables) -> State {
        let slot = Int(state) << 8 | Int(byte)
        let known = tables.transitions[slot]
        if known != Self.unknown { return known }
        var stacks: Set<Int32> = []
        var visited: Set<Cell> = []
        for stack in tables.states[Int(state)] where stack >= 0 {
            let cell = tables.cells[Int(stack)]
            guard case .bytes(let set, let next) = grammar.nodes[Int(cell.node)], set.contains(byte) else { continue }
            close(next, cell.below, &stacks, &visited, &tables)
        }
        let next = stacks.isEmpty ? Self.dead : self.state(stacks, &tables)
        tables.transitions[slot] = next
        return next
    }

    private func state(_ stacks: Set<Int32>, _ tables: inout Tables) -> State {
        let sorted = stacks.sorted()
        if let known = tables.stateIndex[sorted] { return known }
        let state = State(tables.states.count)
        tables.states.append(sorted)
        tables.stateIndex[sorted] = state
        tables.transitions.append(contentsOf: repeatElement(Self.unknown, count: 256))
        tables.allowed.append(nil)
        return state
    }

    /// Follows everything that takes no byte.
    private func close(
        _ start: Int, _ below: Int32, _ stacks: inout Set<Int32>, _ visited: inout Set<Cell>, _ tables: inout Tables
    ) {
        var waiting = [Cell(node: Int32(start), below: below)]
        while stacks.count < Self.mostStacks, let place = waiting.popLast() {
            guard visited.insert(place).inserted else { continue }
            switch grammar.nodes[Int(place.node)] {
            case .bytes: stacks.insert(cell(place, &tables))
            case .choice(let ways): for way in ways { waiting.append(Cell(node: Int32(way), below: place.below)) }
            case .call(let rule, let next):
                // A call at a rule's end needs no way back, which keeps equal places equal.
                let returns =
                    next == Grammar.end ? place.below : cell(Cell(node: Int32(next), below: place.below), &tables)
                waiting.append(Cell(node: Int32(rule), below: returns))
            case .end:
                if place.below < 0 { stacks.insert(-1) } else { waiting.append(tables.cells[Int(place.below)]) }
            }
        }
    }

    private func cell(_ cell: Cell, _ tables: inout Tables) -> Int32 {
        if let known = tables.cellIndex[cell] { return known }
        let index = Int32(tables.cells.count)
        tables.cells.append(cell)
        tables.cellIndex[cell] = index
        return index
    }
}
#endif

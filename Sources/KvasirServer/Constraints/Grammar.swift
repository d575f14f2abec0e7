#if Server
/// A context-free grammar over bytes, as nodes that are gone through from one to the next.
///
/// A grammar is built from its end: every piece is made with the node that follows it. Rules, which other pieces call and
/// which may call themselves, return to where they were called from.
struct Grammar: Sendable {
    /// A step of the way.
    enum Node: Sendable {
        /// Takes one byte of a set.
        case bytes(ByteSet, next: Int)
        /// Goes through a rule.
        case call(rule: Int, next: Int)
        /// Goes on at any of several nodes.
        case choice([Int])
        /// Ends a rule, or the text.
        case end
    }

    fileprivate(set) var nodes: [Node] = [.end]
    /// Where the text begins.
    var start = 0

    /// The node that ends a rule, or the text.
    static let end = 0
}

/// Pieces of grammars.
extension Grammar {
    /// One byte of a set.
    mutating func bytes(_ set: ByteSet, then next: Int) -> Int { add(.bytes(set, next: next)) }

    /// These bytes.
    mutating func literal(_ text: String, then next: Int) -> Int {
        text.utf8.reversed().reduce(next) { bytes([$1], then: $0) }
    }

    /// Any of several ways.
    mutating func choice(_ ways: [Int]) -> Int { ways.count == 1 ? ways[0] : add(.choice(ways)) }

    /// A call of a rule.
    mutating func call(_ rule: Int, then next: Int) -> Int { add(.call(rule: rule, next: next)) }

    /// A rule, which may call itself.
    mutating func rule<Failure: Error>(
        _ body: (inout Grammar, _ itself: Int) throws(Failure) -> Int
    ) throws(Failure) -> Int {
        let place = reserve()
        define(place, try body(&self, place))
        return place
    }

    /// A node whose way is said later.
    mutating func reserve() -> Int { add(.choice([])) }

    /// Says where a reserved node leads.
    mutating func define(_ place: Int, _ start: Int) { nodes[place] = .choice([start]) }

    /// Between `least` and `most` bytes of a set; any number from `least` on if nil.
    mutating func repeated(_ set: ByteSet, _ least: Int, _ most: Int?, then next: Int) -> Int {
        repeated(least, most, then: next) { grammar, next in grammar.bytes(set, then: next) }
    }

    /// The same piece between `least` and `most` times; any number of times from `least` on if nil.
    mutating func repeated(
        _ least: Int, _ most: Int?, then next: Int, _ piece: (inout Grammar, _ next: Int) -> Int
    ) -> Int {
        var node: Int
        if let most {
            node = next
            for _ in least..<max(most, least) { node = choice([next, piece(&self, node)]) }
        } else {
            let loop = reserve()
            let again = piece(&self, loop)
            define(loop, choice([next, again]))
            node = loop
        }
        for _ in 0..<least { node = piece(&self, node) }
        return node
    }

    private mutating func add(_ node: Node) -> Int {
        nodes.append(node)
        return nodes.count - 1
    }
}

/// A set of bytes.
struct ByteSet: Sendable, Hashable, ExpressibleByArrayLiteral {
    private var words: SIMD4<UInt64> = .zero

    init() {}

    init(arrayLiteral elements: UInt8...) { for byte in elements { insert(byte) } }

    init(_ ranges: ClosedRange<UInt8>...) { for range in ranges { for byte in range { insert(byte) } } }

    /// The bytes of a text.
    init(of text: String) { for byte in text.utf8 { insert(byte) } }

    mutating func insert(_ byte: UInt8) { words[Int(byte >> 6)] |= 1 << UInt64(byte & 63) }

    mutating func remove(_ byte: UInt8) { words[Int(byte >> 6)] &= ~(1 << UInt64(byte & 63)) }

    func contains(_ byte: UInt8) -> Bool { words[Int(byte >> 6)] >> UInt64(byte & 63) & 1 == 1 }
}
#endif

/// The strings that end a generation, compiled into an automaton that finds all of them in one pass.
///
/// Compared byte by byte as UTF-8, without Unicode normalisation. Aho and Corasick, "Efficient String Matching: An Aid to
/// Bibliographic Search" (CACM 18, 1975): a trie of the strings in which every node knows the longest suffix of its own
/// text that is a node too.
public struct StopStrings: Sendable, Hashable {
    /// The strings, as given.
    public let strings: [String]

    struct Node: Sendable {
        /// The number of bytes from the root.
        let depth: Int
        /// A string that passes through this node, as an index into `strings`.
        let string: Int
        /// The node of the longest proper suffix.
        var suffix = 0
        /// The longest string that ends here, here being this node or one of its suffixes.
        var match: Int?
        /// The continuations; at most as many as there are strings.
        var children: [(byte: UInt8, node: Int)] = []
    }

    /// The trie; node 0 is the root.
    let nodes: [Node]
    /// The node each byte leads to from the root; 0 where no string starts with it.
    private let starts: [Int]

    /// No stop strings: all text passes at once.
    public static let none = StopStrings(unchecked: [])

    /// Equal if the strings are, in the same order: everything else follows from them.
    public static func == (a: StopStrings, b: StopStrings) -> Bool { a.strings == b.strings }

    /// Hashes the strings.
    public func hash(into hasher: inout Hasher) { hasher.combine(strings) }

    /// Compiles the strings.
    ///
    /// - Throws: `StopStringError` if one of them is empty.
    /// - Complexity: O(m) for m bytes in all, times the number of strings that share a prefix.
    public init(_ strings: [String]) throws(StopStringError) {
        if let position = strings.firstIndex(where: \.isEmpty) { throw StopStringError(position: position) }
        self.init(unchecked: strings)
    }

    private init(unchecked strings: [String]) {
        var nodes = [Node(depth: 0, string: 0)]
        for (index, string) in strings.enumerated() {
            var node = 0
            for byte in string.utf8 {
                if let child = Self.child(of: nodes[node], byte) {
                    node = child
                } else {
                    nodes.append(Node(depth: nodes[node].depth + 1, string: index))
                    nodes[node].children.append((byte, nodes.count - 1))
                    node = nodes.count - 1
                }
            }
            // Of the same string given twice, the first is reported.
            if node != 0, nodes[node].match == nil { nodes[node].match = index }
        }
        self.strings = strings
        self.nodes = Self.linked(nodes)
        var starts = [Int](repeating: 0, count: 256)
        for child in nodes[0].children { starts[Int(child.byte)] = child.node }
        self.starts = starts
    }

    /// Adds the suffix links, breadth first, because a link always leads to a smaller depth.
    private static func linked(_ trie: [Node]) -> [Node] {
        var nodes = trie
        var queue = [0]
        var head = 0
        while head < queue.count {
            let parent = queue[head]
            head += 1
            for (byte, node) in nodes[parent].children {
                queue.append(node)
                guard parent != 0 else { continue }
                var candidate = nodes[parent].suffix
                while candidate != 0, child(of: nodes[candidate], byte) == nil { candidate = nodes[candidate].suffix }
                let suffix = child(of: nodes[candidate], byte) ?? 0
                nodes[node].suffix = suffix
                // The node's own string is longer than any that ends at its suffix.
                if nodes[node].match == nil { nodes[node].match = nodes[suffix].match }
            }
        }
        return nodes
    }

    private static func child(of node: Node, _ byte: UInt8) -> Int? {
        node.children.first { $0.byte == byte }?.node
    }

    /// Returns the node after `byte`: the longest suffix of the text so far that some string starts with.
    func next(_ byte: UInt8, after node: Int) -> Int {
        var node = node
        while node != 0 {
            if let child = Self.child(of: nodes[node], byte) { return child }
            node = nodes[node].suffix
        }
        return starts[Int(byte)]
    }

    /// The bytes that lead from the root to a node.
    func text(of node: Int) -> String.UTF8View.SubSequence {
        guard node != 0 else { return ""[...].utf8 }
        return strings[nodes[node].string].utf8.prefix(nodes[node].depth)
    }
}

/// A list of stop strings that cannot be honoured.
public struct StopStringError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The position of the empty string in the list, counted from 0.
    public let position: Int

    /// One line: what was received, and what to do.
    public var description: String {
        "stop: received an empty string at position \(position); leave it out, or give at least one character"
    }
}

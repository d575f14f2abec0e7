/// Finds tokens that are written in a text as they are, the longest at each place.
///
/// Children of a node form a linked list: few nodes have more than one, and the root has a table of its own.
struct SpecialTokenTrie: Sendable {
    private struct Node: Sendable {
        let byte: UInt8
        var token: Int32 = -1
        var firstChild: Int32 = -1
        var nextSibling: Int32 = -1
    }

    private var nodes: [Node] = []
    private var roots = [Int32](repeating: -1, count: 256)

    /// Whether there is nothing to find.
    var isEmpty: Bool { nodes.isEmpty }

    /// The bytes the tables hold.
    var byteCount: Int { nodes.capacity * MemoryLayout<Node>.stride + roots.capacity * 4 }

    /// Adds a token; an empty text is not added.
    mutating func insert(_ text: some Collection<UInt8>, id: Int32) {
        guard let first = text.first else { return }
        var node = roots[Int(first)]
        if node < 0 {
            node = Int32(nodes.count)
            nodes.append(Node(byte: first))
            roots[Int(first)] = node
        }
        for byte in text.dropFirst() {
            var next = child(of: node, byte: byte)
            if next < 0 {
                next = Int32(nodes.count)
                nodes.append(Node(byte: byte, nextSibling: nodes[Int(node)].firstChild))
                nodes[Int(node)].firstChild = next
            }
            node = next
        }
        nodes[Int(node)].token = id
    }

    /// The first match at or after `start`, the longest of those that begin there.
    ///
    /// - Complexity: O(*n*·*m*) for *n* bytes and a longest token of *m*.
    func firstMatch(in bytes: [UInt8], from start: Int) -> (range: Range<Int>, id: Int32)? {
        guard !isEmpty else { return nil }
        for begin in start..<bytes.count where roots[Int(bytes[begin])] >= 0 {
            if let match = longestMatch(in: bytes, at: begin) { return match }
        }
        return nil
    }

    private func longestMatch(in bytes: [UInt8], at begin: Int) -> (range: Range<Int>, id: Int32)? {
        var best: (range: Range<Int>, id: Int32)?
        var node = roots[Int(bytes[begin])]
        var end = begin + 1
        while node >= 0 {
            if nodes[Int(node)].token >= 0 { best = (begin..<end, nodes[Int(node)].token) }
            guard end < bytes.count else { break }
            node = child(of: node, byte: bytes[end])
            end += 1
        }
        return best
    }

    private func child(of node: Int32, byte: UInt8) -> Int32 {
        var child = nodes[Int(node)].firstChild
        while child >= 0, nodes[Int(child)].byte != byte { child = nodes[Int(child)].nextSibling }
        return child
    }
}

/// Passes streamed text on until a stop string occurs in it.
///
/// It holds back only what might be the beginning of a stop string, at most one byte less than the longest, and releases
/// it as soon as the text turns out otherwise. The stop string itself is never emitted, nor anything after it.
///
/// The match that is complete first wins, so that generation ends with the very byte that completes a stop string; of
/// several complete at the same byte, the longest, that is the one that begins first. The result depends on the text
/// alone, not on how it is cut into fragments.
///
/// Fragments are whole characters, and so is what comes out: a stop string begins with the first byte of a character.
public struct StopStringMatcher: Sendable {
    /// What is searched for.
    public let stops: StopStrings
    /// The stop string that was found, as an index into `stops.strings`.
    public private(set) var matchedIndex: Int?
    private var node = 0

    /// Creates a matcher at the beginning of a text.
    public init(_ stops: StopStrings) {
        self.stops = stops
    }

    /// The stop string that was found.
    public var matched: String? { matchedIndex.map { stops.strings[$0] } }

    /// The number of bytes held back.
    public var heldByteCount: Int { matchedIndex == nil ? stops.nodes[node].depth : 0 }

    /// Takes the next fragment and returns the text that is certain by now.
    ///
    /// - Returns: What was held back before and is released, and what of the fragment is not held back; nothing after a
    ///   match.
    /// - Complexity: O(n) over the whole stream, times the number of stop strings that share a prefix.
    public mutating func consume(_ fragment: String) -> String {
        guard matchedIndex == nil, !fragment.isEmpty else { return "" }
        guard !stops.strings.isEmpty else { return fragment }
        let before = stops.text(of: node)
        var length = before.count
        for byte in fragment.utf8 {
            node = stops.next(byte, after: node)
            length += 1
            if let match = stops.nodes[node].match {
                matchedIndex = match
                length -= stops.strings[match].utf8.count
                break
            }
        }
        if matchedIndex == nil { length -= stops.nodes[node].depth }
        // What is held back reaches at most to the beginning of `before`, so the length is never negative.
        let released = before.prefix(length)
        let fresh = fragment.utf8.prefix(length - released.count)
        return String(decoding: Array(released) + Array(fresh), as: UTF8.self)
    }

    /// Returns what is still held back, at the end of the text; nothing after a match.
    public mutating func finish() -> String {
        guard matchedIndex == nil else { return "" }
        let held = stops.text(of: node)
        node = 0
        return String(decoding: held, as: UTF8.self)
    }
}

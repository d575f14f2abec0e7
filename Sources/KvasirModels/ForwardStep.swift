public import KvasirCache

/// The new tokens of one or more sequences that go through the model together.
///
/// Every linear layer is shared by all rows; attention runs per sequence.
public struct ForwardStep {
    /// The new tokens of one sequence.
    public struct Segment {
        /// The sequence, with room reserved for the tokens.
        public let sequence: CacheSequence
        /// Token ids, to be placed after the tokens the sequence holds.
        public let tokens: [Int32]

        /// Creates a segment.
        public init(sequence: CacheSequence, tokens: [Int32]) {
            self.sequence = sequence
            self.tokens = tokens
        }
    }

    /// The segments; row 0 of the step is the first token of the first one.
    public let segments: [Segment]
    /// Tokens of all segments.
    public let rows: Int

    /// Creates a step.
    ///
    /// - Precondition: no sequence occurs twice, and every segment has tokens.
    public init(_ segments: [Segment]) {
        precondition(segments.allSatisfy { !$0.tokens.isEmpty }, "a segment without tokens has nothing to compute")
        self.segments = segments
        rows = segments.reduce(0) { $0 + $1.tokens.count }
    }
}

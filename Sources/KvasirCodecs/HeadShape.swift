/// The heads of one layer's keys, or of its values.
public struct HeadShape: Sendable, Hashable {
    /// The heads that are cached; query heads come in groups that share one of them.
    public let kvHeads: Int
    /// Channels of a head.
    public let headSize: Int

    /// Creates the shape of `kvHeads` heads of `headSize` channels.
    public init(kvHeads: Int, headSize: Int) {
        self.kvHeads = kvHeads
        self.headSize = headSize
    }

    /// Values in one token's vector, all heads concatenated.
    public var width: Int { kvHeads * headSize }
}

/// Which channels of a head rotary embedding turns together; statistics of channels of one model fit another only where
/// both have the same order.
public enum ChannelOrder: String, Sendable, Hashable, Codable {
    /// Channels 2i and 2i + 1: GGUF files of the Llama family.
    case interleaved
    /// Channels i and i + half of the rotated ones: Hugging Face folders, and GGUF files of the other families.
    case halves
}

/// Rotary position embedding of a layer: how fast each pair of channels turns, and which channels are pairs.
///
/// Source: Su et al., "RoFormer" (arXiv:2104.09864), section 3.2.2.
public struct RotaryEmbedding: Sendable, Hashable {
    /// Radians by position, for each pair of a head; channels beyond the pairs stay.
    public let frequencies: [Double]
    /// Which channels are pairs.
    public let order: ChannelOrder

    /// Describes an embedding.
    public init(frequencies: [Double], order: ChannelOrder) {
        self.frequencies = frequencies
        self.order = order
    }

    /// The two channels of pair `pair` of a head; pairs beyond the turned ones are neighbours.
    public func channels(ofPair pair: Int) -> (Int, Int) {
        order == .halves && pair < frequencies.count ? (pair, pair + frequencies.count) : (2 * pair, 2 * pair + 1)
    }

    /// The angle of a pair per position; 0 beyond the turned ones.
    public func frequency(ofPair pair: Int) -> Double { pair < frequencies.count ? frequencies[pair] : 0 }
}

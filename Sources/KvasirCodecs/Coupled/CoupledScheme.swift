/// How many channels share a code, and how many bits it has: `4c8b` codes 4 neighbouring channels of a head in 8 bits.
///
/// Source: Zhang et al., "KV Cache is 1 Bit Per Channel" (arXiv:2405.03917), section 3.
public struct CoupledScheme: Sendable, Hashable, CustomStringConvertible {
    /// Channels in a group.
    public let channels: Int
    /// Bits of a code.
    public let bits: Int

    /// What may be coupled.
    public static let channelRange = 1...16
    /// How long codes may be.
    public static let bitRange = 4...12

    /// Creates a scheme.
    ///
    /// - Throws: `CodecError` if a number is out of range.
    public init(channels: Int, bits: Int) throws(CodecError) {
        guard Self.channelRange.contains(channels), Self.bitRange.contains(bits) else {
            throw CodecError(
                reason: .unknownParameter, received: "\(channels)c\(bits)b",
                remedy: "1 to 16 channels share a code of 4 to 12 bits: 2c8b, 4c8b, 8c8b or 8c10b, for example")
        }
        self.channels = channels
        self.bits = bits
    }

    /// Parses what `description` prints.
    ///
    /// - Throws: `CodecError` if it is no scheme.
    public init(parsing text: String) throws(CodecError) {
        let match = text.lowercased().wholeMatch(of: #/([0-9]{1,3})c([0-9]{1,3})b/#)
        guard let match, let channels = Int(match.1), let bits = Int(match.2) else {
            throw CodecError(
                reason: .unknownParameter, received: text,
                remedy: "a scheme is written as channels and bits: 2c8b, 4c8b, 8c8b or 8c10b, for example")
        }
        try self.init(channels: channels, bits: bits)
    }

    /// Entries of a codebook.
    public var centroids: Int { 1 << bits }

    /// Bits for each value, the codebooks not counted.
    public var bitsPerValue: Double { Double(bits) / Double(channels) }

    /// Groups of a head.
    ///
    /// - Throws: `CodecError` if they do not divide it.
    public func groups(ofHead headSize: Int) throws(CodecError) -> Int {
        guard headSize % channels == 0 else {
            throw CodecError(
                reason: .unsupportedShape, received: "heads of \(headSize) channels with scheme \(self)",
                remedy: "the channels that share a code must divide the head; use "
                    + [2, 4, 8].filter { headSize % $0 == 0 }.map { "\($0)c8b" }.joined(separator: " or "))
        }
        return headSize / channels
    }

    /// `4c8b`.
    public var description: String { "\(channels)c\(bits)b" }
}

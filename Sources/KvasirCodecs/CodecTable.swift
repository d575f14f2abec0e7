/// Memory that a codec reads beside its pages, once for all sequences: it is counted apart from the bits of a value.
public struct CodecTable: Sendable, Hashable {
    /// What a table is for.
    public enum Purpose: Sendable, Hashable {
        /// Learned centroids, as the kernels want them.
        case codebooks
        /// Cosines and sines of positions.
        case positions
    }

    /// Tells the table from others: parts that share one name the same.
    public let identity: ObjectIdentifier
    /// What it is for.
    public let purpose: Purpose
    /// Bytes that do not depend on how many tokens are cached.
    public let bytes: Int
    /// Bytes for each page of positions.
    public let bytesPerPage: Int

    /// Describes a table that lives as long as `owner`.
    public init(of owner: AnyObject, purpose: Purpose, bytes: Int, bytesPerPage: Int = 0) {
        identity = ObjectIdentifier(owner)
        self.purpose = purpose
        self.bytes = bytes
        self.bytesPerPage = bytesPerPage
    }

    /// Bytes where `tokens` tokens are cached.
    public func bytes(forTokens tokens: Int) -> Int {
        bytes + PageGeometry.pages(forTokens: tokens) * bytesPerPage
    }
}

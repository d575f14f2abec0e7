/// The codebooks of one part, the keys or the values of a layer: [KV head][group][centroid][channel].
///
/// A group's codebook is learned for it alone and never shared with another (`kvasir calibrate coupled`).
public struct Codebooks: Sendable, Hashable {
    /// How channels are coupled.
    public let scheme: CoupledScheme
    /// The heads.
    public let shape: HeadShape
    /// The centroids, as IEEE binary16.
    public let centroids: [UInt16]

    /// Takes the centroids of a part.
    ///
    /// - Throws: `CodecError` if the scheme does not divide the head, the count is another, or a centroid is not finite.
    public init(scheme: CoupledScheme, shape: HeadShape, centroids: [UInt16]) throws(CodecError) {
        let groups = try scheme.groups(ofHead: shape.headSize)
        let count = shape.kvHeads * groups * scheme.centroids * scheme.channels
        guard centroids.count == count else {
            throw CodecError(
                reason: .needsCalibration, received: "codebooks of \(centroids.count) numbers",
                remedy: "scheme \(scheme) has \(count) for \(shape.kvHeads) KV heads of \(shape.headSize) channels")
        }
        guard centroids.allSatisfy({ $0 & 0x7C00 != 0x7C00 }) else {
            throw CodecError(
                reason: .needsCalibration, received: "a centroid that is not a finite number",
                remedy: "make the codebooks anew with 'kvasir calibrate coupled'")
        }
        self.scheme = scheme
        self.shape = shape
        self.centroids = centroids
    }

    /// Bytes of all codebooks of the part.
    public var byteCount: Int { centroids.count * MemoryLayout<UInt16>.stride }
}

/// The codebooks of one layer.
public struct LayerCodebooks: Sendable, Hashable {
    /// Of the keys.
    public let keys: Codebooks
    /// Of the values.
    public let values: Codebooks

    /// Takes the codebooks of a layer.
    public init(keys: Codebooks, values: Codebooks) {
        self.keys = keys
        self.values = values
    }
}

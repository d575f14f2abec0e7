internal import CKvasir
public import KvasirNumerics

extension Codebooks {
    /// Codebooks of normal numbers: for measurements of what does not depend on what was learned, as speed.
    public static func random(
        _ scheme: CoupledScheme, shape: HeadShape, seed: UInt64
    ) throws(CodecError) -> Codebooks {
        var generator = SeededGenerator(seed: seed)
        return try Codebooks(scheme: scheme, shape: shape) {
            // The sum of twelve uniform numbers is nearly normal.
            kv_f32_to_f16(Float((0..<12).reduce(-6.0) { sum, _ in sum + generator.nextUnit() }))
        }
    }

    private init(scheme: CoupledScheme, shape: HeadShape, centroid: () -> UInt16) throws(CodecError) {
        let count = shape.kvHeads * (try scheme.groups(ofHead: shape.headSize)) * scheme.centroids * scheme.channels
        try self.init(scheme: scheme, shape: shape, centroids: (0..<count).map { _ in centroid() })
    }

    /// Codebooks of zeros: for what depends on their size only.
    fileprivate static func blank(_ scheme: CoupledScheme, shape: HeadShape) throws(CodecError) -> Codebooks {
        try Codebooks(scheme: scheme, shape: shape) { 0 }
    }
}

extension LayerContext {
    /// A layer with codebooks that nobody learned wherever `codec` needs some: to list, to measure speed, and to test.
    ///
    /// - Parameter seed: of random codebooks; nil for zeros, which are enough where sizes are asked for.
    /// - Throws: `CodecError` if a scheme does not divide the head.
    public static func uncalibrated(
        for codec: any CacheCodec, shape: HeadShape, instructionSet: InstructionSet, rotary: RotaryEmbedding? = nil,
        seed: UInt64?
    ) throws(CodecError) -> LayerContext {
        var codebooks: [CalibrationKind: LayerCodebooks] = [:]
        for kind in codec.calibrations {
            guard case .coupled(let scheme, _) = kind else { continue }
            func books(_ part: UInt64) throws(CodecError) -> Codebooks {
                guard let seed else { return try .blank(scheme, shape: shape) }
                return try .random(scheme, shape: shape, seed: seed &+ part)
            }
            codebooks[kind] = LayerCodebooks(keys: try books(0), values: try books(1))
        }
        return LayerContext(shape: shape, instructionSet: instructionSet, rotary: rotary, codebooks: codebooks)
    }
}

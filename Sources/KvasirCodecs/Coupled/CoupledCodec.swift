internal import CKvasir
internal import KvasirNumerics

/// Coupled quantization: neighbouring channels of a head share the index of a learned centroid.
///
/// A head's vector is cut into groups of channels, and each is stored as the index of the nearest centroid in the group's
/// own codebook: bits / channels for each value, and nothing beside. Channels of a vector depend on one another, so that
/// the same bits say more about several at once than about each alone. Codebooks are learned once per model by
/// `kvasir calibrate coupled`.
///
/// Keys are coded as they were before rotary embedding, which would blur what depends on what, and decoded keys are turned
/// by their position. With `post` they are coded as they come, and scores are sums of the query's products with centroids.
///
/// A value that is not a number is coded as zero, and one beyond the range of fp16 as its largest.
///
/// Source: Zhang et al., "KV Cache is 1 Bit Per Channel: Efficient Large Language Model Inference with Coupled
/// Quantization" (arXiv:2405.03917), section 3; products with centroids: Jégou et al., "Product Quantization for Nearest
/// Neighbor Search" (2011), section III.
struct CoupledCodec: CacheCodec {
    let scheme: CoupledScheme
    let keySpace: KeySpace

    /// What names of the family begin with.
    static let prefix = "cq-"
    /// The parameter for keys after rotary embedding.
    static let afterRotary = "post"
    /// The schemes of the paper.
    static let usualSchemes = ["2c8b", "4c8b", "8c8b", "8c10b"]

    init(scheme: CoupledScheme, keySpace: KeySpace = .beforeRotary) {
        self.scheme = scheme
        self.keySpace = keySpace
    }

    var name: String { "\(Self.prefix)\(scheme)" + (keySpace == .afterRotary ? "/\(Self.afterRotary)" : "") }
    var calibrations: Set<CalibrationKind> { [calibration] }
    var hasLearnedBasis: Bool { true }
    var transformRefusal: String? { "its codebooks were learned for keys and values as they are, means included" }

    private var calibration: CalibrationKind { .coupled(scheme, keySpace) }

    static var family: CodecFamily {
        var members: [CoupledCodec] = []
        for name in usualSchemes {
            guard let scheme = try? CoupledScheme(parsing: name) else { preconditionFailure("a scheme of the paper") }
            members += [KeySpace.beforeRotary, .afterRotary].map { CoupledCodec(scheme: scheme, keySpace: $0) }
        }
        return CodecFamily(
            name: "\(prefix)<c>c<b>b",
            summary: "coupled quantization: <c> channels share a learned code of <b> bits", members: members,
            owns: { $0.hasPrefix(prefix) }
        ) { (name, parameters) throws(CodecError) in
            let scheme = try CoupledScheme(parsing: String(name.dropFirst(prefix.count)))
            guard parameters.allSatisfy({ $0 == afterRotary }), parameters.count <= 1 else {
                throw CodecError(
                    reason: .unknownParameter, received: parameters.first { $0 != afterRotary } ?? afterRotary,
                    remedy: "\(prefix)\(scheme) takes '\(afterRotary)', keys after rotary embedding, once or not at all"
                )
            }
            return CoupledCodec(scheme: scheme, keySpace: parameters.isEmpty ? .beforeRotary : .afterRotary)
        }
    }

    func keys(of layer: LayerContext) throws(CodecError) -> any KeyCodec {
        let codebooks = try codebooks(of: layer, \.keys)
        guard keySpace == .beforeRotary, let rotary = layer.rotary, !rotary.frequencies.isEmpty else {
            return CoupledKeys(codebooks, turns: nil, instructionSet: layer.instructionSet)
        }
        guard 2 * rotary.frequencies.count <= layer.shape.headSize else {
            throw CodecError(
                reason: .unsupportedShape, received: "\(rotary.frequencies.count) turned pairs",
                remedy: "a head of \(layer.shape.headSize) channels has at most \(layer.shape.headSize / 2)")
        }
        return CoupledKeys(
            codebooks, turns: layer.turns ?? RotaryTurns(rotary), instructionSet: layer.instructionSet)
    }

    func values(of layer: LayerContext) throws(CodecError) -> any ValueCodec {
        CoupledValues(try codebooks(of: layer, \.values), instructionSet: layer.instructionSet)
    }

    /// The codebooks of a part, which must be those of this scheme and of these heads.
    private func codebooks(
        of layer: LayerContext, _ part: KeyPath<LayerCodebooks, Codebooks>
    ) throws(CodecError) -> Codebooks {
        let shape = layer.shape
        guard shape.headSize > 0, shape.kvHeads > 0, shape.width <= PageGeometry.longestVector else {
            throw CodecError(
                reason: .unsupportedShape, received: "\(shape.kvHeads) heads of \(shape.headSize) channels",
                remedy: "a token's vector has 1 to \(PageGeometry.longestVector) values")
        }
        guard shape.headSize <= Int(KV_COUPLED_MAX_HEAD) else {
            throw CodecError(
                reason: .unsupportedShape, received: "head size \(shape.headSize)",
                remedy: "it takes heads of up to \(KV_COUPLED_MAX_HEAD) channels; f16 takes every head size")
        }
        _ = try scheme.groups(ofHead: shape.headSize)
        guard let codebooks = layer.codebooks[calibration]?[keyPath: part] else {
            throw CodecError(
                reason: .needsCalibration, received: name,
                remedy: "there are no codebooks for this model; learn them with '\(calibration.command)'")
        }
        guard codebooks.scheme == scheme, codebooks.shape == shape else {
            throw CodecError(
                reason: .needsCalibration,
                received: "codebooks of scheme \(codebooks.scheme) for \(codebooks.shape.kvHeads) KV heads of "
                    + "\(codebooks.shape.headSize) channels",
                remedy: "\(name) and this layer want \(scheme) for \(shape.kvHeads) of \(shape.headSize); learn this "
                    + "model's with '\(calibration.command)'")
        }
        return codebooks
    }
}

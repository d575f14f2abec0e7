internal import CKvasir
internal import KvasirNumerics

/// AlignedKV: 16-bit floats in planes of 8, 4 and 4 bits, of which every query reads as many as can change its result.
///
/// A dot product is known no better than its largest term; what is small beside that needs fewer digits. Of keys a channel
/// is read at 8, 12 or 16 bits by the query's value and the channel's largest key, of values a token by its weight beside
/// the estimated output. Pages that are not full, up to 63 tokens and the query's own, are read whole.
///
/// Source: Tan et al., "AlignedKV: Reducing Memory Access of KV-Cache with Precision-Aligned Quantization"
/// (arXiv:2409.16546).
struct AlignedCodec: CacheCodec {
    let thresholds: AlignmentThresholds

    var name: String { "aligned/\(thresholds.parameter)" }

    var transformRefusal: String? { "it chooses bits by the sizes that channels of keys and values have by themselves" }

    static var family: CodecFamily {
        CodecFamily(
            name: "aligned",
            summary: "AlignedKV: 16-bit floats in planes, of which attention reads 8, 12 or 16 bits as precision needs",
            members: AlignmentThresholds.named.map(AlignedCodec.init)
        ) { (parameters) throws(CodecError) in
            AlignedCodec(thresholds: try AlignmentThresholds(parsing: parameters))
        }
    }

    func keys(of layer: LayerContext) throws(CodecError) -> any KeyCodec {
        AlignedKeys(layout: try AlignedLayout(thresholds, of: layer, kv_aligned_resolve_keys))
    }

    func values(of layer: LayerContext) throws(CodecError) -> any ValueCodec {
        let layout = try AlignedLayout(thresholds, of: layer, kv_aligned_resolve_values)
        return AlignedValues(layout: thresholds.isCode ? layout.withCodeThresholds() : layout)
    }
}

/// From how many exponent steps below what matters on fewer bits are read.
struct AlignmentThresholds: Sendable, Hashable {
    /// 16 bits are read below this many steps.
    let twelve: Int
    /// 12 bits are read below this many steps, 8 from there on.
    let eight: Int
    /// Whether values have the thresholds of the authors' kernel, which counts steps of the weight with its fraction.
    var isCode = false
    /// Whether values are read more precisely the more tokens are added up.
    var countsAddends = false

    /// The paper's.
    static let usual = AlignmentThresholds(twelve: 4, eight: 8)
    /// For listings and tests.
    static let named = [
        usual, AlignmentThresholds(twelve: 4, eight: 8, isCode: true),
        AlignmentThresholds(twelve: 4, eight: 8, countsAddends: true), AlignmentThresholds(twelve: 2, eight: 6),
    ]

    /// The most steps between exponents of fp16 products.
    private static let most = 30

    /// How the thresholds are written in a codec's name.
    var parameter: String {
        if isCode { return "code" }
        return "t\(twelve)-\(eight)" + (countsAddends ? "/addends" : "")
    }

    init(twelve: Int, eight: Int, isCode: Bool = false, countsAddends: Bool = false) {
        self.twelve = twelve
        self.eight = eight
        self.isCode = isCode
        self.countsAddends = countsAddends
    }

    /// Parses parameters in any order.
    ///
    /// - Throws: `CodecError` at the first that is unknown or says again what another has said.
    init(parsing parameters: [String]) throws(CodecError) {
        var steps: (twelve: Int, eight: Int)?
        var (isCode, countsAddends) = (false, false)
        for parameter in parameters {
            if !isCode, steps == nil, parameter == "code" {
                isCode = true
            } else if !countsAddends, parameter == "addends" {
                countsAddends = true
            } else if !isCode, steps == nil, let given = Self.steps(parameter) {
                steps = given
            } else {
                throw CodecError(
                    reason: .unknownParameter, received: parameter,
                    remedy:
                        "aligned takes t<a>-<b> with exponent steps 0 <= a <= b <= \(Self.most) from which 12 and 8 "
                        + "bits are read (t4-8 by default), or 'code' for the thresholds of the authors' kernel, and "
                        + "'addends', each at most once")
            }
        }
        guard !(isCode && countsAddends) else {
            throw CodecError(
                reason: .unknownParameter, received: "addends",
                remedy: "with 'code' the thresholds are those of the authors' kernel; write t1-2/addends for its steps")
        }
        let given = steps ?? (Self.usual.twelve, Self.usual.eight)
        self.init(twelve: given.twelve, eight: given.eight, isCode: isCode, countsAddends: countsAddends)
    }

    private static func steps(_ parameter: String) -> (twelve: Int, eight: Int)? {
        guard let match = parameter.wholeMatch(of: /t(\d{1,2})-(\d{1,2})/), let twelve = Int(match.1),
            let eight = Int(match.2), twelve <= eight, eight <= most
        else { return nil }
        return (twelve, eight)
    }
}

/// Where the planes of a part lie, and who reads them.
struct AlignedLayout: @unchecked Sendable {  // the kernel table is a constant
    let shape: HeadShape
    let format: kv_aligned_format
    let kernels: UnsafePointer<kv_aligned_kernels>
    let meter = ReadMeter(widths: [8, 12, 16])

    init(
        _ thresholds: AlignmentThresholds, of layer: LayerContext,
        _ resolve: (UnsafeMutablePointer<kv_aligned_format>?) -> Void
    ) throws(CodecError) {
        shape = layer.shape
        try shape.checkLanes()
        var format = kv_aligned_format()
        format.heads = kv_heads(kv_heads: UInt32(shape.kvHeads), head_size: UInt32(shape.headSize))
        format.twelve = UInt32(thresholds.twelve)
        format.eight = UInt32(thresholds.eight)
        format.counts_addends = thresholds.countsAddends
        resolve(&format)
        self.format = format
        kernels = kv_aligned_kernels_for(kv_isa(rawValue: layer.instructionSet.code))
    }

    /// The same with the thresholds that the authors' kernel has for values.
    func withCodeThresholds() -> AlignedLayout {
        var format = format
        format.twelve = 1
        format.eight = 2
        format.is_fractional = true
        return AlignedLayout(shape: shape, format: format, kernels: kernels)
    }

    private init(shape: HeadShape, format: kv_aligned_format, kernels: UnsafePointer<kv_aligned_kernels>) {
        self.shape = shape
        self.format = format
        self.kernels = kernels
    }

    var storage: PartStorage {
        let planes = Int(format.units * format.lanes) * 2
        return PartStorage(
            codes: shape.kvHeads * planes, scales: shape.kvHeads * (Int(format.head_bytes) - planes))
    }
}

extension QueryRows {
    var kernelTile: kv_aligned_tile {
        kv_aligned_tile(rows: rows, group: groupSize, position: position, head: UInt32(head))
    }
}

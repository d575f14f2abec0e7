internal import CKvasir
internal import KvasirNumerics

/// ggml's block types: a token's vector in blocks of 32 values, each with the scale and the codes that ggml's reference
/// quantizers give it.
///
/// The codes lie in this engine's panels; `GGMLBlocks` reads a token back in the published layout.
///
/// Source: the block types of ggml (github.com/ggml-org/ggml, `ggml-common.h` and `ggml-quants.c`).
struct GGMLCodec: CacheCodec {
    let type: GGMLType

    var name: String { type.rawValue }

    static func family(_ type: GGMLType) -> CodecFamily {
        CodecFamily(name: type.rawValue, summary: type.summary, members: [GGMLCodec(type: type)]) {
            (parameters) throws(CodecError) in
            if let parameter = parameters.first {
                throw CodecError(
                    reason: .unknownParameter, received: parameter,
                    remedy: "\(type.rawValue) takes no parameter but \(CodecRegistry.modifierList)")
            }
            return GGMLCodec(type: type)
        }
    }

    func keys(of layer: LayerContext) throws(CodecError) -> any KeyCodec {
        BlockKeys(block: try type.format(layer.shape, layer.instructionSet))
    }

    func values(of layer: LayerContext) throws(CodecError) -> any ValueCodec {
        BlockValues(block: try type.format(layer.shape, layer.instructionSet))
    }
}

/// A block type of ggml that a cache can have.
public enum GGMLType: String, Sendable, Hashable, CaseIterable {
    case q8_0
    case q5_1
    case q5_0
    case q4_1
    case q4_0
    case iq4_nl

    /// Values in a block.
    static let block = 32

    /// The sixteen levels of iq4_nl.
    static let nonlinearLevels: [Int8] = [
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
    ]

    var summary: String {
        switch self {
        case .q8_0: "ggml: 8-bit integers, one scale per 32 values"
        case .q5_1: "ggml: 5-bit integers, scale and minimum per 32 values"
        case .q5_0: "ggml: 5-bit integers, one scale per 32 values"
        case .q4_1: "ggml: 4-bit integers, scale and minimum per 32 values"
        case .q4_0: "ggml: 4-bit integers, one scale per 32 values"
        case .iq4_nl: "ggml: 4-bit codes of a fixed table, one scale per 32 values"
        }
    }

    var bits: Int {
        switch self {
        case .q8_0: 8
        case .q5_1, .q5_0: 5
        case .q4_1, .q4_0, .iq4_nl: 4
        }
    }

    /// Whether a block has a minimum besides its scale.
    var hasOffsets: Bool { self == .q5_1 || self == .q4_1 }

    private var levels: BlockFormat.Levels {
        switch self {
        case .q8_0: .integers(from: -128)
        case .q5_1, .q4_1: .integers(from: 0)
        case .q5_0: .integers(from: -16)
        case .q4_0: .integers(from: -8)
        case .iq4_nl: .integerTable(Self.nonlinearLevels)
        }
    }

    private var quantization: kv_quantization {
        switch self {
        case .q8_0: KV_QUANTIZE_ROUNDED_INTEGERS
        case .q5_1, .q4_1: KV_QUANTIZE_MINIMUM_AND_RANGE
        case .q5_0, .q4_0: KV_QUANTIZE_SIGNED_ABSMAX
        case .iq4_nl: KV_QUANTIZE_WEIGHTED_LEAST_SQUARES
        }
    }

    func format(_ shape: HeadShape, _ instructionSet: InstructionSet) throws(CodecError) -> BlockFormat {
        try BlockFormat(
            bits: bits, levels: levels, block: .values(Self.block), hasOffsets: hasOffsets,
            signedScales: self == .q5_0 || self == .q4_0 || self == .iq4_nl, quantization: quantization, shape: shape,
            instructionSet: instructionSet)
    }
}

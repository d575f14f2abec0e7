internal import CKvasir
internal import KvasirNumerics

/// NQKV: each block of a token's vector is scaled by its largest magnitude and rounded to levels that follow the quantiles
/// of the normal distribution.
///
/// Blocks are cut from the concatenated KV heads of one token, 256 values by default, the last one shorter where the
/// width is no multiple. One scale per block, rounded up so that no value leaves the table; indices of 4 bits, or of 3 or
/// 2. Keys are stored after rotary embedding; nothing else is kept in higher precision: a token is encoded first and
/// attended to in its encoded form, its own step included.
///
/// Source: Cai, Zhang, Tan, Wei: "NQKV: A KV Cache Quantization Scheme Based on Normal Distribution Characteristics"
/// (arXiv, May 2025), section 4; the levels are those of Dettmers et al., "QLoRA" (arXiv:2305.14314), appendix E.
struct NormalFloatCodec: CacheCodec {
    let bits: Int
    let parameters: BlockParameters

    /// The paper's.
    static let usualBlock = BlockSize.values(256)

    init(bits: Int, parameters: BlockParameters = BlockParameters(block: usualBlock)) {
        self.bits = bits
        self.parameters = parameters
    }

    var name: String { "nf\(bits)\(parameters.suffix)" }

    static func family(bits: Int) -> CodecFamily {
        let name = "nf\(bits)"
        return CodecFamily(
            name: name, summary: "NQKV: \(bits)-bit NormalFloat, one scale per block of a token's vector",
            members: BlockParameters.all(default: usualBlock).map { NormalFloatCodec(bits: bits, parameters: $0) }
        ) { (parameters) throws(CodecError) in
            NormalFloatCodec(
                bits: bits, parameters: try BlockParameters(parsing: parameters, of: name, default: usualBlock))
        }
    }

    func keys(of layer: LayerContext) throws(CodecError) -> any KeyCodec {
        BlockKeys(block: try format(layer))
    }

    func values(of layer: LayerContext) throws(CodecError) -> any ValueCodec {
        BlockValues(block: try format(layer))
    }

    func format(_ layer: LayerContext) throws(CodecError) -> BlockFormat {
        try BlockFormat(
            bits: bits, levels: .table(Self.levels(bits: bits)), block: parameters.block, scales: parameters.scales,
            quantization: KV_QUANTIZE_ABSMAX, shape: layer.shape,
            instructionSet: layer.instructionSet)
    }
}

extension NormalFloatCodec {
    /// The levels of a table of `bits` bits: the published ones for 4, computed ones for fewer.
    static func levels(bits: Int) -> [Float] {
        bits == 4 ? publishedLevels : quantileLevels(bits: bits).map(Float.init)
    }

    /// The sixteen levels of NF4, by bit pattern so that no decimal is parsed.
    static let publishedLevels: [Float] = [
        0xBF80_0000, 0xBF32_39B1, 0xBF06_6B30, 0xBECA_32A0, 0xBE91_A24D, 0xBE3D_353F, 0xBDBA_7871, 0x0000_0000,
        0x3DA2_FAFF, 0x3E24_CAE3, 0x3E7C_04DD, 0x3EAD_033A, 0x3EE1_A4B8, 0x3F10_07AB, 0x3F39_13B3, 0x3F80_0000,
    ].map { Float(bitPattern: $0) }

    /// The levels of a table of `bits` bits, computed from quantiles of the normal distribution.
    ///
    /// Half of them positive, one fewer negative, and zero; the largest magnitude is 1. For 4 bits the published table,
    /// which was made with float32 intermediate values, differs by up to 2e-7 and is the one that counts.
    ///
    /// Source: QLoRA, appendix E, with the offset generalised to other widths.
    static func quantileLevels(bits: Int) -> [Double] {
        precondition(bits >= 2 && bits <= 8, "with one bit there is no negative level")
        let count = Double(1 << bits)
        let offset = 1 - 0.5 * (1 / (2 * count) + 1 / (2 * (count - 1)))
        func side(_ levels: Int) -> [Double] {
            (0..<levels).map { NormalDistribution.quantile(offset + (0.5 - offset) * Double($0) / Double(levels)) }
        }
        let half = 1 << (bits - 1)
        let levels = side(half - 1).map { -$0 } + [0] + side(half)
        return levels.sorted().map { $0 / NormalDistribution.quantile(offset) }
    }
}

internal import CKvasir
internal import KvasirNumerics

/// KIVI: keys as integers between the least and the largest of a channel in a group of tokens, values between those of
/// a group of channels of one token; the last tokens in f16.
///
/// A few channels of keys are far larger than the rest, the same ones in every token: with a scale of its own each
/// costs the others nothing. Values have no such channels, and the error of a token stays with its weight. Scale and
/// zero, which is the least of the group, are fp16; codes count from 0 and are found with both as they are stored.
///
/// A group of keys can be encoded only when it is complete. Keys are read packed from a block of `residual` tokens on
/// that is complete, values from `residual` tokens before the query on.
///
/// Source: Liu et al., "KIVI: A Tuning-Free Asymmetric 2bit Quantization for KV Cache" (arXiv:2402.02750), section 3
/// and algorithm 1.
struct KiviCodec: CacheCodec {
    let bits: Int
    let group: Int
    let residual: Int

    /// The paper's.
    static let usualGroup = 32
    /// The paper's.
    static let usualResidual = 128

    static let groups = [32, 64]
    static let residuals = [32, 64, 128, 256]

    init(bits: Int, group: Int = usualGroup, residual: Int = usualResidual) {
        precondition(residual % group == 0, "the residual consists of groups")
        self.bits = bits
        self.group = group
        self.residual = residual
    }

    var name: String { "kivi\(bits)/g\(group)/r\(residual)" }

    static func family(bits: Int) -> CodecFamily {
        let members = [
            KiviCodec(bits: bits), KiviCodec(bits: bits, group: 64), KiviCodec(bits: bits, residual: 32),
            KiviCodec(bits: bits, residual: 64), KiviCodec(bits: bits, residual: 256),
        ]
        return CodecFamily(
            name: "kivi\(bits)",
            summary: "KIVI: \(bits)-bit integers, keys scaled per channel, values per token, the last tokens in f16",
            members: members
        ) { (parameters) throws(CodecError) in
            try KiviCodec(bits: bits, parsing: parameters)
        }
    }

    /// Parses parameters in any order.
    ///
    /// - Throws: `CodecError` at the first that is unknown or says again what another has said, or if a residual does
    ///   not consist of groups.
    private init(bits: Int, parsing parameters: [String]) throws(CodecError) {
        var group: Int?
        var residual: Int?
        for parameter in parameters {
            if group == nil, let named = Self.groups.first(where: { "g\($0)" == parameter }) {
                group = named
            } else if residual == nil, let named = Self.residuals.first(where: { "r\($0)" == parameter }) {
                residual = named
            } else {
                let groups = Self.groups.map { "g\($0)" }.joined(separator: ", ")
                let residuals = Self.residuals.map { "r\($0)" }.joined(separator: ", ")
                throw CodecError(
                    reason: .unknownParameter, received: parameter,
                    remedy: "kivi\(bits) takes one of \(groups) and one of \(residuals), "
                        + "\(CodecRegistry.modifierList), each at most once")
            }
        }
        let (tokens, block) = (group ?? Self.usualGroup, residual ?? Self.usualResidual)
        guard block % tokens == 0 else {
            throw CodecError(
                reason: .unknownParameter, received: "r\(block)",
                remedy: "with g\(tokens) the tokens in f16 are a multiple of \(tokens): write r\(tokens)")
        }
        self.init(bits: bits, group: tokens, residual: block)
    }

    func keys(of layer: LayerContext) throws(CodecError) -> any KeyCodec {
        try KiviKeys(codec: self, shape: layer.shape, instructionSet: layer.instructionSet)
    }

    func values(of layer: LayerContext) throws(CodecError) -> any ValueCodec {
        BlockValues(
            block: try BlockFormat(
                bits: bits, levels: .integers(from: 0), block: .values(group), hasOffsets: true,
                quantization: KV_QUANTIZE_STORED_RANGE, shape: layer.shape, instructionSet: layer.instructionSet),
            residualTokens: residual)
    }
}

/// Keys as integers with a scale and a zero per channel and group of tokens.
private struct KiviKeys: KeyCodec, @unchecked Sendable {  // the pointer is to a function
    let shape: HeadShape
    let storage: PartStorage
    let groupTokens: Int
    let residualTokens: Int
    private let format: kv_kivi_format
    private let kernel: kv_kivi_score

    init(codec: KiviCodec, shape: HeadShape, instructionSet: InstructionSet) throws(CodecError) {
        try shape.checkLanes()
        guard let kernel = kv_kivi_score_for(kv_isa(rawValue: instructionSet.code), UInt32(codec.bits)) else {
            preconditionFailure("a kernel for every width")
        }
        var format = kv_kivi_format()
        format.heads = kv_heads(kv_heads: UInt32(shape.kvHeads), head_size: UInt32(shape.headSize))
        format.bits = UInt32(codec.bits)
        format.group = UInt32(codec.group)
        kv_kivi_format_resolve(&format)
        self.shape = shape
        self.format = format
        self.kernel = kernel
        storage = PartStorage(codes: Int(format.numbers_at), scales: Int(format.part_bytes - format.numbers_at))
        groupTokens = codec.group
        residualTokens = codec.residual
    }

    var queryBytes: Int { shape.headSize * MemoryLayout<Float>.stride }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        preconditionFailure("keys are encoded in groups")
    }

    func encode(group vectors: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        withUnsafePointer(to: format) { kv_kivi_encode($0, vectors, position % PageGeometry.tokens, part) }
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        withUnsafePointer(to: format) { kv_kivi_decode($0, part, position % PageGeometry.tokens, vector) }
    }

    func prepare(query: UnsafePointer<Float>, factor: Float, into prepared: UnsafeMutableRawPointer) {
        let values = prepared.assumingMemoryBound(to: Float.self)
        for channel in 0..<shape.headSize { values[channel] = query[channel] * factor }
    }

    func score(
        _ run: TokenRun, head: Int, queries: UnsafeRawPointer, rows: Int, into scores: UnsafeMutablePointer<Float>,
        stride: Int
    ) {
        withUnsafePointer(to: run.kernelRun) { run in
            withUnsafePointer(to: format) {
                kernel($0, run, UInt32(head), queries.assumingMemoryBound(to: Float.self), rows, scores, stride)
            }
        }
    }
}

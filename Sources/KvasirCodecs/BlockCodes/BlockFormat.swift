internal import CKvasir
internal import KvasirNumerics

/// Codes of 1 to 8 bits with one scale per block, bound to a shape: what the codebook codecs and ggml's types share.
///
/// A codec differs from another by its levels, its block, the type of its scales and the quantizer that finds the codes of
/// a block; layout, attention and decoding are the same.
struct BlockFormat: @unchecked Sendable {  // the pointers are to constants
    let shape: HeadShape
    let storage: PartStorage
    let format: kv_block_format
    let kernels: kv_block_kernels

    /// How many values share a scale.
    enum Block: Sendable, Hashable {
        /// So many consecutive values of the concatenated heads, a multiple of 32; the last block may be shorter.
        case values(Int)
        /// Those of one head.
        case head
    }

    /// What the codes stand for.
    enum Levels: Sendable, Hashable {
        /// A table, ascending, its largest magnitude at most 1.
        case table([Float])
        /// Consecutive integers from this one on.
        case integers(from: Int)
    }

    /// - Parameters:
    ///   - bits: of a code: 1, 2, 3, 4, 5 or 8; a table has at most 4, eight-bit codes are signed integers.
    ///   - quantizer: finds the codes of a block.
    /// - Throws: `CodecError` if the shape does not fit.
    init(
        bits: Int, levels: Levels, block: Block, scales: ScaleType = .float16, hasOffsets: Bool = false,
        signedScales: Bool = false, quantizer: kv_block_quantizer, shape: HeadShape, instructionSet: InstructionSet
    ) throws(CodecError) {
        guard shape.headSize > 0, shape.headSize % 16 == 0 else {
            let nearest = max(16, (shape.headSize + 8) / 16 * 16)
            throw CodecError(
                reason: .unsupportedShape, received: "head size \(shape.headSize)",
                remedy: "it takes multiples of 16 (the nearest is \(nearest)); f16 takes every head size")
        }
        guard shape.kvHeads > 0, shape.width <= PageGeometry.longestVector else {
            throw CodecError(
                reason: .unsupportedShape, received: "\(shape.kvHeads) heads of \(shape.headSize) channels",
                remedy: "a token's vector has 1 to \(PageGeometry.longestVector) values")
        }
        var format = kv_block_format()
        format.heads = kv_heads(kv_heads: UInt32(shape.kvHeads), head_size: UInt32(shape.headSize))
        switch block {
        case .values(let count):
            precondition(count % 32 == 0, "blocks of a multiple of 32 values")
            format.block = UInt32(min(count, shape.width))
        case .head: format.block = UInt32(shape.headSize)
        }
        format.bits = UInt32(bits)
        format.has_offsets = hasOffsets
        format.wide_scales = scales == .float32
        format.signed_scales = signedScales
        format.quantize = quantizer
        if bits < 8 { Self.setLevels(levels, bits: bits, of: &format) }
        kv_block_format_resolve(&format)

        let numbers = Int(format.part_bytes - format.scales_at)
        self.shape = shape
        self.format = format
        self.kernels = kv_block_kernels_for(kv_isa(rawValue: instructionSet.code), format.bits)
        self.storage = PartStorage(codes: Int(format.scales_at), scales: numbers)
    }

    private static func setLevels(_ levels: Levels, bits: Int, of format: inout kv_block_format) {
        let values: [Float]
        let codes: [Int8]
        switch levels {
        case .table(let table):
            precondition(bits <= 4, "the lookup of a level takes 4 bits")
            values = table
            (codes, format.level_unit) = integerLevels(table)
        case .integers(let first):
            values = (0..<1 << bits).map { Float(first + $0) }
            codes = values.map(Int8.init)
            format.level_unit = 1
        }
        precondition(values.count == 1 << bits, "a level for every code")
        format.zero_code = UInt32(values.indices.min { abs(values[$0]) < abs(values[$1]) } ?? 0)
        let thresholds = zip(values, values.dropFirst()).map { ($0 + $1) / 2 }
        withUnsafeMutableBytes(of: &format.levels) { $0.copyBytes(from: values.withUnsafeBytes(Array.init)) }
        withUnsafeMutableBytes(of: &format.thresholds) { $0.copyBytes(from: thresholds.withUnsafeBytes(Array.init)) }
        withUnsafeMutableBytes(of: &format.level_codes) {
            $0.copyBytes(from: codes.prefix(16).map(UInt8.init(bitPattern:)))
        }
    }

    /// Levels as 8-bit integers for the integer dot products, and the unit that turns them back.
    ///
    /// The unit need not be 1/127: the one whose multiples come closest to all levels halves the error. The mean counts
    /// besides, as often as there are levels, because it adds up over tokens where single errors average out.
    static func integerLevels(_ levels: [Float]) -> (codes: [Int8], unit: Float) {
        var best: (error: Float, largest: Float) = (.infinity, 127)
        for step in 0...1_270 {
            let largest = 127 - Float(step) / 20
            let errors = levels.map { ($0 * largest).rounded() / largest - $0 }
            let sum = errors.reduce(0, +)
            let error = errors.reduce(0) { $0 + $1 * $1 } + sum * sum
            if error < best.error { best = (error, largest) }
        }
        return (levels.map { Int8(($0 * best.largest).rounded()) }, 1 / best.largest)
    }
}

/// The type of a codec's scales.
enum ScaleType: Sendable, Hashable {
    case float16
    case float32
}

/// Keys as codes of a block format.
struct BlockKeys: KeyCodec {
    let block: BlockFormat

    var shape: HeadShape { block.shape }
    var storage: PartStorage { block.storage }
    var queryBytes: Int { Int(block.format.query_bytes) }

    func encode(_ vector: UnsafePointer<Float>, slot: Int, into part: UnsafeMutableRawPointer) {
        withUnsafePointer(to: block.format) { kv_block_encode_keys($0, vector, slot, part) }
    }

    func decode(slot: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        withUnsafePointer(to: block.format) { kv_block_decode_keys($0, part, slot, vector) }
    }

    func prepare(query: UnsafePointer<Float>, factor: Float, into prepared: UnsafeMutableRawPointer) {
        withUnsafePointer(to: block.format) { kv_block_prepare_query($0, query, factor, prepared) }
    }

    func score(
        _ run: TokenRun, head: Int, queries: UnsafeRawPointer, rows: Int, into scores: UnsafeMutablePointer<Float>,
        stride: Int
    ) {
        withUnsafePointer(to: run.kernelRun) { run in
            withUnsafePointer(to: block.format) {
                block.kernels.score($0, run, UInt32(head), queries, rows, scores, stride)
            }
        }
    }
}

/// Values as codes of a block format.
struct BlockValues: ValueCodec {
    let block: BlockFormat

    var shape: HeadShape { block.shape }
    var storage: PartStorage { block.storage }

    func encode(_ vector: UnsafePointer<Float>, slot: Int, into part: UnsafeMutableRawPointer) {
        withUnsafePointer(to: block.format) { kv_block_encode_values($0, vector, slot, part) }
    }

    func decode(slot: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        withUnsafePointer(to: block.format) { kv_block_decode_values($0, part, slot, vector) }
    }

    func mix(
        _ run: TokenRun, head: Int, weights: UnsafePointer<Float>, rows: Int, stride: Int,
        into out: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: run.kernelRun) { run in
            withUnsafePointer(to: block.format) { block.kernels.mix($0, run, UInt32(head), weights, rows, stride, out) }
        }
    }
}

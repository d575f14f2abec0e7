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

    /// What the codes stand for.
    enum Levels: Sendable, Hashable {
        /// A table, ascending, its largest magnitude at most 1.
        case table([Float])
        /// A table of integers, ascending.
        case integerTable([Int8])
        /// Consecutive integers from this one on.
        case integers(from: Int)
    }

    /// - Parameters:
    ///   - bits: of a code: 1, 2, 3, 4, 5 or 8; a table has at most 4, eight-bit codes are signed integers.
    ///   - quantization: how the codes of a block are found.
    ///   - reach: the largest level in standard deviations of a block, for a scale that is fitted.
    /// - Throws: `CodecError` if the shape does not fit.
    init(
        bits: Int, levels: Levels, block: BlockSize, scales: ScaleType = .float16, hasOffsets: Bool = false,
        signedScales: Bool = false, quantization: kv_quantization, reach: Float = 0, shape: HeadShape,
        instructionSet: InstructionSet
    ) throws(CodecError) {
        try shape.checkLanes()
        let isa = kv_isa(rawValue: instructionSet.code)
        var format = kv_block_format()
        format.heads = kv_heads(kv_heads: UInt32(shape.kvHeads), head_size: UInt32(shape.headSize))
        switch block {
        case .values(let count):
            precondition(count > 0 && count % 32 == 0, "blocks of a multiple of 32 values")
            format.block = UInt32(min(count, shape.width))
        case .head: format.block = UInt32(shape.headSize)
        }
        format.bits = UInt32(bits)
        format.has_offsets = hasOffsets
        format.wide_scales = scales == .float32
        format.signed_scales = signedScales
        format.quantize = kv_block_quantizer_for(isa, quantization)
        format.reach = reach
        if bits < 8 { Self.setLevels(levels, bits: bits, of: &format) }
        kv_block_format_resolve(&format)

        let numbers = Int(format.part_bytes - format.scales_at)
        self.shape = shape
        self.format = format
        self.kernels = kv_block_kernels_for(isa, format.bits)
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
        case .integerTable(let table):
            precondition(bits <= 4, "the lookup of a level takes 4 bits")
            values = table.map(Float.init)
            codes = table
            format.level_unit = 1
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

extension HeadShape {
    /// - Throws: `CodecError` if the heads do not consist of panels of 16 channels.
    func checkLanes() throws(CodecError) {
        guard headSize > 0, headSize % 16 == 0 else {
            let nearest = max(16, (headSize + 8) / 16 * 16)
            throw CodecError(
                reason: .unsupportedShape, received: "head size \(headSize)",
                remedy: "it takes multiples of 16 (the nearest is \(nearest)); f16 takes every head size")
        }
        guard kvHeads > 0, width <= PageGeometry.longestVector else {
            throw CodecError(
                reason: .unsupportedShape, received: "\(kvHeads) heads of \(headSize) channels",
                remedy: "a token's vector has 1 to \(PageGeometry.longestVector) values")
        }
    }
}

/// Keys as codes of a block format.
struct BlockKeys: KeyCodec {
    let block: BlockFormat

    var shape: HeadShape { block.shape }
    var storage: PartStorage { block.storage }
    var queryBytes: Int { Int(block.format.query_bytes) }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        withUnsafePointer(to: block.format) { kv_block_encode_keys($0, vector, position % PageGeometry.tokens, part) }
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        withUnsafePointer(to: block.format) { kv_block_decode_keys($0, part, position % PageGeometry.tokens, vector) }
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

    /// Reads a prepared query as rounded to 8 bits: `shape.headSize` values.
    func readRounded(_ prepared: UnsafeRawPointer, into query: UnsafeMutablePointer<Float>) {
        withUnsafePointer(to: block.format) { kv_block_rounded_query($0, prepared, query) }
    }

    /// As `score` with two queries a row, `rows` apart, adding both to what is there.
    func addPairs(
        _ run: TokenRun, head: Int, queries: UnsafeRawPointer, rows: Int, into scores: UnsafeMutablePointer<Float>,
        stride: Int
    ) {
        var format = block.format
        format.adds_pairs = true
        withUnsafePointer(to: run.kernelRun) { run in
            block.kernels.score(&format, run, UInt32(head), queries, rows, scores, stride)
        }
    }
}

/// Values as codes of a block format.
struct BlockValues: ValueCodec {
    let block: BlockFormat
    var residualTokens = 0

    var shape: HeadShape { block.shape }
    var storage: PartStorage { block.storage }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        withUnsafePointer(to: block.format) { kv_block_encode_values($0, vector, position % PageGeometry.tokens, part) }
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        withUnsafePointer(to: block.format) { kv_block_decode_values($0, part, position % PageGeometry.tokens, vector) }
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

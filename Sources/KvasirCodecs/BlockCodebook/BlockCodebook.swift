internal import CKvasir
internal import KvasirNumerics

/// Sixteen levels and a block size, bound to a shape: what every codec of 4-bit indices with one scale per block shares.
struct BlockCodebook: @unchecked Sendable {  // the kernel table is a constant
    let shape: HeadShape
    let storage: PartStorage
    var codebook: kv_codebook4
    let kernels: UnsafePointer<kv_codebook4_kernels>

    /// - Parameters:
    ///   - levels: 16 ascending levels in -1...1, one of them 0.
    ///   - block: values per scale over the concatenated heads; the last block of a vector may be shorter.
    init(
        levels: [Float], block: Int, shape: HeadShape, instructionSet: InstructionSet
    ) throws(CodecError) {
        precondition(levels.count == 16 && block % 32 == 0, "16 levels, blocks of a multiple of 32 values")
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
        let block = min(block, shape.width)
        let blocks = (shape.width + block - 1) / block

        var codebook = kv_codebook4()
        codebook.heads = kv_heads(kv_heads: UInt32(shape.kvHeads), head_size: UInt32(shape.headSize))
        codebook.block = UInt32(block)
        codebook.blocks = UInt32(blocks)
        codebook.zero_index = UInt32(levels.firstIndex(of: 0) ?? 0)
        let (codes, unit) = Self.integerLevels(levels)
        codebook.level_unit = unit
        withUnsafeMutableBytes(of: &codebook.levels) { $0.copyBytes(from: levels.withUnsafeBytes(Array.init)) }
        withUnsafeMutableBytes(of: &codebook.level_codes) { $0.copyBytes(from: codes.map(UInt8.init(bitPattern:))) }
        let thresholds = zip(levels, levels.dropFirst()).map { ($0 + $1) / 2 }
        withUnsafeMutableBytes(of: &codebook.thresholds) { $0.copyBytes(from: thresholds.withUnsafeBytes(Array.init)) }

        self.shape = shape
        self.codebook = codebook
        self.kernels = kv_codebook4_kernels_for(kv_isa(rawValue: instructionSet.code))
        let scales = blocks * PageGeometry.tokens * MemoryLayout<UInt16>.stride
        self.storage = PartStorage(codes: shape.width * PageGeometry.tokens / 2, scales: scales)
        assert(withUnsafePointer(to: codebook, kv_codebook4_part_bytes) == storage.bytes)
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

/// Keys as 4-bit indices.
struct BlockCodebookKeys: KeyCodec {
    let book: BlockCodebook

    var shape: HeadShape { book.shape }
    var storage: PartStorage { book.storage }
    var queryBytes: Int { withUnsafePointer(to: book.codebook) { kv_codebook4_query_bytes($0) } }

    func encode(_ vector: UnsafePointer<Float>, slot: Int, into part: UnsafeMutableRawPointer) {
        withUnsafePointer(to: book.codebook) { kv_codebook4_encode_keys($0, vector, slot, part) }
    }

    func decode(slot: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        withUnsafePointer(to: book.codebook) { kv_codebook4_decode_keys($0, part, slot, vector) }
    }

    func prepare(query: UnsafePointer<Float>, factor: Float, into prepared: UnsafeMutableRawPointer) {
        withUnsafePointer(to: book.codebook) { kv_codebook4_prepare_query($0, query, factor, prepared) }
    }

    func score(
        _ run: TokenRun, head: Int, queries: UnsafeRawPointer, rows: Int, into scores: UnsafeMutablePointer<Float>,
        stride: Int
    ) {
        withUnsafePointer(to: run.kernelRun) { run in
            withUnsafePointer(to: book.codebook) { codebook in
                book.kernels.pointee.score(codebook, run, UInt32(head), queries, rows, scores, stride)
            }
        }
    }
}

/// Values as 4-bit indices.
struct BlockCodebookValues: ValueCodec {
    let book: BlockCodebook

    var shape: HeadShape { book.shape }
    var storage: PartStorage { book.storage }

    func encode(_ vector: UnsafePointer<Float>, slot: Int, into part: UnsafeMutableRawPointer) {
        withUnsafePointer(to: book.codebook) { kv_codebook4_encode_values($0, vector, slot, part) }
    }

    func decode(slot: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        withUnsafePointer(to: book.codebook) { kv_codebook4_decode_values($0, part, slot, vector) }
    }

    func mix(
        _ run: TokenRun, head: Int, weights: UnsafePointer<Float>, rows: Int, stride: Int,
        into out: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: run.kernelRun) { run in
            withUnsafePointer(to: book.codebook) { codebook in
                book.kernels.pointee.mix(codebook, run, UInt32(head), weights, rows, stride, out)
            }
        }
    }
}

internal import CKvasir
internal import KvasirNumerics

/// Reads tokens of a page in the block layout that ggml publishes, byte for byte what its reference quantizers write.
public struct GGMLBlocks: Sendable {
    /// The type of the blocks.
    public let type: GGMLType
    private let block: BlockFormat

    /// Creates the reader of parts that a codec of this type, with or without rotation, has written.
    ///
    /// - Throws: `CodecError` if the vector of all heads is no whole number of blocks: the cache stores a shorter last
    ///   block, the published layout has none.
    public init(type: GGMLType, shape: HeadShape) throws(CodecError) {
        guard shape.width % GGMLType.block == 0 else {
            throw CodecError(
                reason: .unsupportedShape, received: "a vector of \(shape.width) values",
                remedy: "ggml's blocks hold \(GGMLType.block) values each")
        }
        self.type = type
        block = try type.format(shape, .generic)
    }

    /// Bytes of one token.
    public var bytesPerToken: Int { Int(block.format.blocks) * bytesPerBlock }

    private var bytesPerBlock: Int { (type.hasOffsets ? 4 : 2) + GGMLType.block * type.bits / 8 }

    /// The blocks of one token's keys.
    public func bytes(ofKey slot: Int, in part: UnsafeRawPointer) -> [UInt8] {
        bytes(slot: slot, part: part, codes: kv_block_key_codes)
    }

    /// The blocks of one token's values.
    public func bytes(ofValue slot: Int, in part: UnsafeRawPointer) -> [UInt8] {
        bytes(slot: slot, part: part, codes: kv_block_value_codes)
    }

    private typealias CodeReader = (
        UnsafePointer<kv_block_format>?, UnsafeRawPointer?, Int, UnsafeMutablePointer<UInt8>?
    ) -> Void

    private func bytes(slot: Int, part: UnsafeRawPointer, codes reader: CodeReader) -> [UInt8] {
        withUnsafePointer(to: block.format) { format in
            let codes = [UInt8](unsafeUninitializedCapacity: block.shape.width) { buffer, count in
                reader(format, part, slot, buffer.baseAddress)
                count = block.shape.width
            }
            var bytes: [UInt8] = []
            bytes.reserveCapacity(bytesPerToken)
            for index in 0..<Int(format.pointee.blocks) {
                append(kv_block_scale_bits(format, part, index, slot), bytes: 2, to: &bytes)
                if type.hasOffsets { append(kv_block_offset_bits(format, part, index, slot), bytes: 2, to: &bytes) }
                append(codes: codes[index * GGMLType.block..<(index + 1) * GGMLType.block], to: &bytes)
            }
            return bytes
        }
    }

    /// Appends the lower bytes of a number, the lowest first.
    private func append(_ number: UInt32, bytes count: Int, to bytes: inout [UInt8]) {
        for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * UInt32(index)))) }
    }

    /// Appends the codes of a block: fifth bits in a word of their own, then the first half of the values in the low
    /// nibbles and the second half in the high ones.
    private func append(codes: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
        guard type.bits < 8 else {
            bytes.append(contentsOf: codes)
            return
        }
        if type.bits == 5 {
            let word = codes.reversed().reduce(UInt32(0)) { $0 << 1 | UInt32($1 >> 4) }
            append(word, bytes: 4, to: &bytes)
        }
        let half = GGMLType.block / 2
        for (low, high) in zip(codes.prefix(half), codes.suffix(half)) { bytes.append(low & 15 | high << 4) }
    }
}

/// How many values share a scale.
enum BlockSize: Sendable, Hashable {
    /// So many consecutive values of the concatenated heads, a multiple of 32; the last block may be shorter.
    case values(Int)
    /// Those of one head.
    case head

    /// As it is written in a codec's name.
    var name: String {
        switch self {
        case .values(let count): "b\(count)"
        case .head: "head"
        }
    }
}

/// The type of a codec's scales.
enum ScaleType: String, Sendable, Hashable, CaseIterable {
    case float16 = "s16"
    case float32 = "s32"
}

/// The parameters that the codebook codecs share, as they follow a codec's name: `b64`, or `head/s32`.
struct BlockParameters: Sendable, Hashable {
    let block: BlockSize
    let scales: ScaleType

    /// The blocks that can be asked for, the largest first.
    static let blocks: [BlockSize] = [.values(256), .values(128), .values(64), .values(32), .head]

    /// What is permitted, in words.
    static let permitted =
        "one of \(blocks.map(\.name).joined(separator: ", ")) and one of "
        + "\(ScaleType.allCases.map(\.rawValue).joined(separator: ", "))"

    /// Every block with the usual scales, the default first, and one with wide ones.
    static func all(default block: BlockSize) -> [BlockParameters] {
        let others = blocks.filter { $0 != block }
        return ([block] + others).map { BlockParameters(block: $0, scales: .float16) }
            + [BlockParameters(block: .values(64), scales: .float32)]
    }

    init(block: BlockSize, scales: ScaleType = .float16) {
        self.block = block
        self.scales = scales
    }

    /// Parses parameters in any order.
    ///
    /// - Throws: `CodecError` at the first that is unknown or says again what another has said.
    init(parsing parameters: [String], of codec: String, default usual: BlockSize) throws(CodecError) {
        var block: BlockSize?
        var scales: ScaleType?
        for parameter in parameters {
            if block == nil, let named = Self.blocks.first(where: { $0.name == parameter }) {
                block = named
            } else if scales == nil, let named = ScaleType(rawValue: parameter) {
                scales = named
            } else {
                throw CodecError(
                    reason: .unknownParameter, received: parameter,
                    remedy: "\(codec) takes \(Self.permitted), \(CodecRegistry.modifierList), each at most once")
            }
        }
        self.init(block: block ?? usual, scales: scales ?? .float16)
    }

    /// The parameters as they follow a name: the block always, the type of the scales only where it is not the usual.
    var suffix: String { "/\(block.name)" + (scales == .float16 ? "" : "/\(scales.rawValue)") }
}

internal import CKvasir
internal import KvasirNumerics

/// Levels with the least mean square error for normally distributed values, and per block of a token's vector a fitted
/// scale.
///
/// What NormalFloat is to equal use of the levels this is to their error: at 4 bits the two are close, at 3 and fewer a
/// scale that is the largest magnitude wastes levels on values that hardly occur. Levels are assigned by the scale with
/// the least square error. The stored scale is a little larger: the one with which dot products come out right on average.
/// With the former a decoded block is shorter than the block, by 12 % at 2 bits, and so are scores and outputs; errors
/// average out over channels and tokens, a shrinkage does not. Indices of 1 to 4 bits. Made for rotated vectors
/// (`lm3/rot`), whose entries are close to normal.
///
/// Source: Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28 (1982), and Max,
/// "Quantizing for minimum distortion", IRE Transactions on Information Theory 6 (1960); the scale: Vargaftik et al.,
/// "DRIVE: One-bit Distributed Mean Estimation" (arXiv:2105.08339), section 4.
struct LloydMaxCodec: CacheCodec {
    let bits: Int
    let parameters: BlockParameters

    /// A fitted scale gains little from smaller blocks, and much below 128 values the scales cost more than they gain.
    static let usualBlock = BlockSize.values(128)

    init(bits: Int, parameters: BlockParameters = BlockParameters(block: usualBlock)) {
        self.bits = bits
        self.parameters = parameters
    }

    var name: String { "lm\(bits)\(parameters.suffix)" }

    static func family(bits: Int) -> CodecFamily {
        let name = "lm\(bits)"
        return CodecFamily(
            name: name, summary: "Lloyd-Max: \(bits)-bit levels for normal values, one fitted scale per block",
            members: BlockParameters.all(default: usualBlock).map { LloydMaxCodec(bits: bits, parameters: $0) }
        ) { (parameters) throws(CodecError) in
            LloydMaxCodec(
                bits: bits, parameters: try BlockParameters(parsing: parameters, of: name, default: usualBlock))
        }
    }

    func keys(of layer: LayerContext) throws(CodecError) -> any KeyCodec {
        BlockKeys(block: try format(layer))
    }

    func values(of layer: LayerContext) throws(CodecError) -> any ValueCodec {
        BlockValues(block: try format(layer))
    }

    private func format(_ layer: LayerContext) throws(CodecError) -> BlockFormat {
        let positive = Self.positiveLevels[bits - 1]
        let reach = positive.last ?? 1
        let half = positive.map { Float($0 / reach) }
        return try BlockFormat(
            bits: bits, levels: .table(half.reversed().map { -$0 } + half), block: parameters.block,
            scales: parameters.scales, quantization: KV_QUANTIZE_FITTED, reach: Float(reach), shape: layer.shape,
            instructionSet: layer.instructionSet)
    }
}

extension LloydMaxCodec {
    /// The positive levels for the standard normal distribution by bits, from one on; the negative ones mirror them.
    static let positiveLevels: [[Double]] = (1...4).map(levels(bits:))

    /// Computes the positive half of 2^`bits` levels: each is the mean of the values nearest to it.
    private static func levels(bits: Int) -> [Double] {
        let count = 1 << (bits - 1)
        var levels = (0..<count).map { (Double($0) + 0.5) * 3 / Double(count) }
        while true {
            let thresholds = [0] + zip(levels, levels.dropFirst()).map { ($0 + $1) / 2 } + [.infinity]
            let means = (0..<count).map { NormalDistribution.mean(from: thresholds[$0], to: thresholds[$0 + 1]) }
            let change = zip(means, levels).map { abs($0 - $1) }.max() ?? 0
            levels = means
            // What is left of the error is the change times the inverse of the convergence, about 40 at 4 bits.
            if change < 1e-15 { return levels }
        }
    }
}

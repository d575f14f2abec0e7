internal import KvasirCache
internal import KvasirCodecs
internal import KvasirWeights

/// The numbers that decoders have in common, read and checked.
struct DecoderConfiguration: Sendable {
    let layers: Int
    let hiddenSize: Int
    let feedForwardSize: Int
    let queryHeads: Int
    let heads: HeadShape
    let contextLength: Int

    /// Width of all queries of a token.
    var queryWidth: Int { queryHeads * heads.headSize }

    /// - Parameter feedForwardSize: what it is where the file does not say, by the hidden size.
    init(_ checkpoint: Checkpoint, feedForwardSize fallback: (Int) -> Int? = { _ in nil }) throws {
        layers = try checkpoint.size(.layers)
        hiddenSize = try checkpoint.size(.hiddenSize)
        feedForwardSize = try checkpoint.size(.feedForwardSize, default: fallback(hiddenSize))
        queryHeads = try checkpoint.size(.queryHeads)
        contextLength = try checkpoint.size(.contextLength)
        let kvHeads = try checkpoint.size(.kvHeads, default: queryHeads)
        guard queryHeads % kvHeads == 0 else {
            throw ModelError(
                .badMetadata, received: "\(checkpoint.spelling(of: .kvHeads)) = \(kvHeads)",
                remedy: "expected a divisor of the \(queryHeads) query heads")
        }
        let headSize = try checkpoint.size(.headSize, default: hiddenSize / queryHeads)
        let valueSize = try checkpoint.size(.valueSize, default: headSize)
        guard valueSize == headSize else {
            throw ModelError(
                .unsupportedFeature, received: "\(checkpoint.spelling(of: .valueSize)) = \(valueSize)",
                remedy: "heads whose values differ in size from their keys (\(headSize)) are not supported")
        }
        heads = HeadShape(kvHeads: kvHeads, headSize: headSize)
        try checkpoint.refuseExperts()
    }

    /// Sizes and names, from these numbers and the shape of the token embedding.
    ///
    /// - Parameters:
    ///   - embeddingSize: width of the token embedding, where it is not that of the hidden state.
    ///   - rotary: that of every layer; empty where positions are learned.
    ///   - windows: the sliding window of every layer; empty if no layer has one.
    ///   - keyBiases: how large the largest bias of a key is beside typical keys, by layer; empty if there are none.
    func info(
        of checkpoint: Checkpoint, names: TensorNames, embeddingSize: Int? = nil, rotary: [RotaryEmbedding] = [],
        windows: [Int?] = [], keyBiases: [Double] = []
    ) throws -> ModelInfo {
        let embedding = try checkpoint.tokenEmbedding(names, columns: embeddingSize ?? hiddenSize)
        return ModelInfo(
            architecture: checkpoint.architecture, name: checkpoint.name, vocabularySize: embedding.rows,
            contextLength: contextLength, hiddenSize: hiddenSize, feedForwardSize: feedForwardSize,
            cacheShape: CacheShape(
                layers: layers, heads: heads, queryHeads: queryHeads, windows: windows,
                keyBiases: keyBiases), rotary: rotary)
    }
}

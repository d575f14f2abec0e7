public import KvasirCodecs
internal import KvasirNumerics

/// What is known of a model's keys and values beside their shape.
public struct ModelStatistics: Sendable, Hashable {
    /// How the keys of each layer are turned by position; empty if the model does not turn them, or nobody said how.
    public var rotary: [RotaryEmbedding]
    /// The mean key of each layer before rotary embedding, all KV heads of a layer concatenated; empty if not measured.
    public var means: [[Float]]
    /// The codebooks of each layer.
    public var codebooks: [CalibrationKind: [LayerCodebooks]]
    /// How long queries are, by layer and KV head: the 90th percentile of the squared length of a query of the head's group
    /// as scores use it, after rotary embedding and times the factor of scores; empty if not measured.
    public var queryNorms: [[Float]]

    /// Nothing, or what there is.
    public init(
        rotary: [RotaryEmbedding] = [], means: [[Float]] = [], codebooks: [CalibrationKind: [LayerCodebooks]] = [:],
        queryNorms: [[Float]] = []
    ) {
        self.rotary = rotary
        self.means = means
        self.codebooks = codebooks
        self.queryNorms = queryNorms
    }
}

/// The statistics by layer, as codecs are bound to them; layers that turn keys in the same way share a table.
struct LayerContexts {
    private let contexts: [LayerContext]

    /// - Throws: `CacheError` if there are statistics for another number of layers.
    init(_ statistics: ModelStatistics, shape: CacheShape, instructionSet: InstructionSet) throws(CacheError) {
        let counts =
            [statistics.rotary.count, statistics.means.count, statistics.queryNorms.count]
            + statistics.codebooks.values.map(\.count)
        for count in counts where count != 0 && count != shape.layers {
            throw CacheError(
                .impossibleLayer, received: "statistics of \(count) layers",
                detail: "the model has \(shape.layers); calibrate this model")
        }
        var tables: [RotaryEmbedding: RotaryPages] = [:]
        var turns: [RotaryEmbedding: RotaryTurns] = [:]
        var contexts: [LayerContext] = []
        for layer in 0..<shape.layers {
            let rotary = statistics.rotary.isEmpty ? nil : statistics.rotary[layer]
            var mean: KeyMean?
            if let rotary, !statistics.means.isEmpty {
                do throws(CodecError) {
                    let table: RotaryPages
                    if let known = tables[rotary] {
                        table = known
                    } else {
                        table = try RotaryPages(
                            rotary, headSize: shape.heads.headSize, instructionSet: instructionSet)
                    }
                    tables[rotary] = table
                    mean = KeyMean(statistics.means[layer], rotary: table)
                } catch {
                    throw CacheError(.impossibleLayer, received: "rotary embedding", detail: error.description)
                }
            }
            if let rotary, !statistics.codebooks.isEmpty, turns[rotary] == nil { turns[rotary] = RotaryTurns(rotary) }
            contexts.append(
                LayerContext(
                    shape: shape.heads, instructionSet: instructionSet, rotary: rotary,
                    turns: rotary.flatMap { turns[$0] }, mean: mean,
                    codebooks: statistics.codebooks.mapValues { $0[layer] },
                    queryNorms: statistics.queryNorms.isEmpty ? nil : statistics.queryNorms[layer]))
        }
        self.contexts = contexts
    }

    /// What a layer's codecs are bound to.
    subscript(layer: Int) -> LayerContext { contexts[layer] }
}

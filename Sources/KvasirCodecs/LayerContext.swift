public import KvasirNumerics

/// What a codec is bound to: the heads of one layer, and what is known of them.
public struct LayerContext: Sendable {
    /// The heads.
    public let shape: HeadShape
    /// Which kernels.
    public let instructionSet: InstructionSet
    /// How keys are turned by position; nil if they are not, or nobody said how.
    public let rotary: RotaryEmbedding?
    /// The table of those turns, where layers share one; nil to make one if it is needed.
    public let turns: RotaryTurns?
    /// The mean key; nil if it was not measured.
    public let mean: KeyMean?
    /// The codebooks that were measured.
    public let codebooks: [CalibrationKind: LayerCodebooks]
    /// How long queries are, by KV head: see `ModelStatistics.queryNorms`; nil if it was not measured.
    public let queryNorms: [Float]?

    /// Describes a layer.
    public init(
        shape: HeadShape, instructionSet: InstructionSet, rotary: RotaryEmbedding? = nil, turns: RotaryTurns? = nil,
        mean: KeyMean? = nil, codebooks: [CalibrationKind: LayerCodebooks] = [:], queryNorms: [Float]? = nil
    ) {
        self.shape = shape
        self.instructionSet = instructionSet
        precondition(turns == nil || turns?.embedding == rotary, "the table of another embedding")
        self.rotary = rotary
        self.turns = turns
        self.mean = mean
        self.codebooks = codebooks
        self.queryNorms = queryNorms
    }
}

/// The mean key of a layer, and the table its share of a score is computed with.
public struct KeyMean: Sendable {
    /// Before rotary embedding, all KV heads.
    public let values: [Float]
    /// The turns of all positions, packed like keys.
    public let rotary: RotaryPages

    /// Describes the mean of a layer's keys.
    public init(_ values: [Float], rotary: RotaryPages) {
        self.values = values
        self.rotary = rotary
    }
}

extension CacheCodec {
    /// Binds the codec to keys of which nothing but the shape is known.
    public func keys(shape: HeadShape, instructionSet: InstructionSet) throws(CodecError) -> any KeyCodec {
        try keys(of: LayerContext(shape: shape, instructionSet: instructionSet))
    }

    /// Binds the codec to values of which nothing but the shape is known.
    public func values(shape: HeadShape, instructionSet: InstructionSet) throws(CodecError) -> any ValueCodec {
        try values(of: LayerContext(shape: shape, instructionSet: instructionSet))
    }
}

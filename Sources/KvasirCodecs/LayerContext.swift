public import KvasirNumerics

/// What a codec is bound to: the heads of one layer, and what is known of them.
public struct LayerContext: Sendable {
    /// The heads.
    public let shape: HeadShape
    /// Which kernels.
    public let instructionSet: InstructionSet
    /// What `kvasir calibrate` and the model's family say of the layer's keys; nil if nobody said anything.
    public let keys: KeyProfile?

    /// Describes a layer.
    public init(shape: HeadShape, instructionSet: InstructionSet, keys: KeyProfile? = nil) {
        self.shape = shape
        self.instructionSet = instructionSet
        self.keys = keys
    }
}

/// What is known of the keys of one layer.
public struct KeyProfile: Sendable {
    /// How they are turned by position, ready for kernels; nil if they are not.
    public let rotary: RotaryPages?
    /// The mean key before rotary embedding, all KV heads; nil if it was not measured.
    public let means: [Float]?

    /// Describes the keys of a layer.
    public init(rotary: RotaryPages?, means: [Float]?) {
        self.rotary = rotary
        self.means = means
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

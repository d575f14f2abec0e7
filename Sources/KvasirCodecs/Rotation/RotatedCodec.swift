internal import CKvasir
public import KvasirNumerics

/// Any codec, on vectors turned by an orthonormal Walsh-Hadamard transform of each head.
///
/// A few channels of keys are far larger than the rest and would set the scale of every block they lie in; the transform
/// spreads each over all channels. Queries are turned as keys are, so scores stay what they were. Values are turned too,
/// and the sum over tokens is turned back once per output row.
///
/// A head is transformed in pieces of the largest power of two that divides its size: 80 channels are five of 16.
///
/// Source: Ashkboos et al., "QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs" (arXiv:2404.00456), section 4.
struct RotatedCodec: CacheCodec {
    let base: any CacheCodec

    /// The parameter that asks for it, of every codec.
    static let parameter = "rot"

    var name: String { "\(base.name)/\(Self.parameter)" }
    var keySpace: KeySpace { base.keySpace }
    var calibrations: Set<CalibrationKind> { base.calibrations }
    var hasLearnedBasis: Bool { base.hasLearnedBasis }
    var transformRefusal: String? { base.transformRefusal }

    func keys(of layer: LayerContext) throws(CodecError) -> any KeyCodec {
        try checkBasis()
        let rotation = try HeadRotation(shape: layer.shape, instructionSet: layer.instructionSet)
        return RotatedKeys(base: try base.keys(of: layer), rotation: rotation)
    }

    func values(of layer: LayerContext) throws(CodecError) -> any ValueCodec {
        try checkBasis()
        let rotation = try HeadRotation(shape: layer.shape, instructionSet: layer.instructionSet)
        return RotatedValues(base: try base.values(of: layer), rotation: rotation)
    }
}

extension RotatedCodec {
    private func checkBasis() throws(CodecError) {
        guard let refusal = base.transformRefusal else { return }
        throw CodecError(reason: .unsupportedPart, received: name, remedy: "\(refusal); write \(base.name)")
    }
}

/// The transform of heads of one size; its own inverse.
public struct HeadRotation: Sendable {
    let shape: HeadShape
    /// Channels that are transformed together.
    public let block: Int
    private let rotate: kv_rotate

    /// The smallest piece that spreads a channel far enough to be worth the work, and the width of a vector.
    public static let smallestBlock = 16

    /// Creates the transform of a layer's heads.
    ///
    /// - Throws: `CodecError` if 16 does not divide the head size, or a token's vector is too long for a page.
    public init(shape: HeadShape, instructionSet: InstructionSet) throws(CodecError) {
        let size = shape.headSize
        let block = size & -size
        guard size > 0, block >= Self.smallestBlock else {
            let nearest = max(
                Self.smallestBlock, (size + Self.smallestBlock / 2) / Self.smallestBlock * Self.smallestBlock)
            throw CodecError(
                reason: .unsupportedShape, received: "rotation of head size \(size)",
                remedy: "it takes multiples of \(Self.smallestBlock) (the nearest is \(nearest)); leave "
                    + "'\(RotatedCodec.parameter)' out")
        }
        guard shape.width <= PageGeometry.longestVector else {
            throw CodecError(
                reason: .unsupportedShape, received: "\(shape.kvHeads) heads of \(size) channels",
                remedy: "a token's vector has 1 to \(PageGeometry.longestVector) values")
        }
        self.shape = shape
        self.block = block
        rotate = kv_rotate_for(kv_isa(rawValue: instructionSet.code))
    }

    /// Transforms `count` values, a multiple of the head size, in place.
    public func apply(to values: UnsafeMutablePointer<Float>, count: Int) { rotate(values, count, block) }

    /// Returns `count` values transformed, in memory that is the thread's until its next call.
    func applied(to values: UnsafePointer<Float>, count: Int) -> UnsafePointer<Float> {
        guard let scratch = kv_vector_scratch() else { preconditionFailure("every thread has its scratch memory") }
        scratch.update(from: values, count: count)
        apply(to: scratch, count: count)
        return UnsafePointer(scratch)
    }
}

extension HeadRotation {
    /// Calls `body` with `count` values transformed, however many they are.
    func withApplied(to values: UnsafePointer<Float>, count: Int, _ body: (UnsafePointer<Float>) -> Void) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { copy in
            guard let start = copy.baseAddress else { return }
            start.initialize(from: values, count: count)
            apply(to: start, count: count)
            body(UnsafePointer(start))
        }
    }
}

/// Keys of a rotated codec.
struct RotatedKeys: KeyCodec {
    let base: any KeyCodec
    let rotation: HeadRotation

    var shape: HeadShape { base.shape }
    var storage: PartStorage { base.storage }
    var groupTokens: Int { base.groupTokens }
    var residualTokens: Int { base.residualTokens }
    var adaptive: AdaptivePart? { base.adaptive }
    var sharedTables: [CodecTable] { base.sharedTables }
    var queryBytes: Int { base.queryBytes }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        base.encode(rotation.applied(to: vector, count: shape.width), position: position, into: part)
    }

    func encode(group vectors: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        rotation.withApplied(to: vectors, count: groupTokens * shape.width) {
            base.encode(group: $0, position: position, into: part)
        }
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        base.decode(position: position, of: part, into: vector)
        rotation.apply(to: vector, count: shape.width)
    }

    func reserve(positions: Int) { base.reserve(positions: positions) }

    func prepare(query: UnsafePointer<Float>, factor: Float, into prepared: UnsafeMutableRawPointer) {
        base.prepare(query: rotation.applied(to: query, count: shape.headSize), factor: factor, into: prepared)
    }

    func score(
        _ run: TokenRun, head: Int, queries: UnsafeRawPointer, rows: Int, into scores: UnsafeMutablePointer<Float>,
        stride: Int
    ) {
        base.score(run, head: head, queries: queries, rows: rows, into: scores, stride: stride)
    }
}

/// Values of a rotated codec.
struct RotatedValues: ValueCodec {
    let base: any ValueCodec
    let rotation: HeadRotation

    var shape: HeadShape { base.shape }
    var storage: PartStorage { base.storage }
    var groupTokens: Int { base.groupTokens }
    var residualTokens: Int { base.residualTokens }
    var adaptive: AdaptivePart? { base.adaptive }
    var sharedTables: [CodecTable] { base.sharedTables }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        base.encode(rotation.applied(to: vector, count: shape.width), position: position, into: part)
    }

    func encode(group vectors: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        rotation.withApplied(to: vectors, count: groupTokens * shape.width) {
            base.encode(group: $0, position: position, into: part)
        }
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        base.decode(position: position, of: part, into: vector)
        rotation.apply(to: vector, count: shape.width)
    }

    func mix(
        _ run: TokenRun, head: Int, weights: UnsafePointer<Float>, rows: Int, stride: Int,
        into out: UnsafeMutablePointer<Float>
    ) {
        base.mix(run, head: head, weights: weights, rows: rows, stride: stride, into: out)
    }

    func restore(_ output: UnsafeMutablePointer<Float>) {
        base.restore(output)
        rotation.apply(to: output, count: shape.headSize)
    }
}

internal import CKvasir
internal import KvasirNumerics

/// Matrices applied to the same input, their outputs side by side: y = (W1 x + b1, W2 x + b2, …); biases are optional.
///
/// Query, key and value projections, or gate and up, run as one layer: the input is rounded once and the threads meet
/// once. The matrices may have different types.
final class LinearLayer: Sendable {
    /// Output width of all matrices together.
    let rows: Int
    /// Input width.
    let columns: Int
    /// Row tiles of all matrices.
    let tiles: Int
    /// Whether one of the matrices can be multiplied by 8-bit activations.
    let isQuantized: Bool
    /// Bytes in memory.
    let byteCount: Int

    /// The matrices.
    let weights: [LinearWeight]
    /// Whether activations have one scale for a whole token; else one for every group of columns.
    let takesWholeTokens: Bool
    /// The largest magnitude that a rounded activation can have, the same for all tokens; 0 if every token has its own.
    let activationLimit: Float

    private let parts: AlignedBuffer<LinearPart>
    private let biases: AlignedBuffer<Float>

    /// Stacks matrices of the same input width.
    convenience init(_ weights: LinearWeight...) { self.init(weights) }

    /// Stacks matrices of the same input width.
    ///
    /// - Parameter activationLimit: what the scale of all tokens follows from, for matrices that take whole tokens; 0 for a
    ///   scale of each token's own.
    init(_ weights: [LinearWeight], activationLimit: Float = 0) {
        precondition(!weights.isEmpty, "a linear layer has at least one matrix")
        precondition(weights.allSatisfy { $0.columns == weights[0].columns }, "one input, one width")
        self.weights = weights
        columns = weights[0].columns
        isQuantized = weights.contains(where: \.isQuantized)
        takesWholeTokens = weights[0].takesWholeTokens
        precondition(
            weights.allSatisfy { !$0.isQuantized || $0.takesWholeTokens == weights[0].takesWholeTokens },
            "one input, rounded once")
        self.activationLimit = activationLimit
        byteCount = weights.reduce(0) { $0 + $1.byteCount }
        parts = AlignedBuffer(zeroed: weights.count)
        biases = AlignedBuffer(zeroed: weights.reduce(0) { $0 + ($1.bias?.count ?? 0) })
        var rows = 0
        var tiles = 0
        var biasCount = 0
        for (index, weight) in weights.enumerated() {
            var bias: UnsafePointer<Float>?
            if let values = weight.bias {
                let place = biases.pointer + biasCount
                place.update(from: values, count: values.count)
                bias = UnsafePointer(place)
                biasCount += values.count
            }
            parts.pointer[index] = LinearPart(
                matrix: weight.kernelWeight, isQuantized: weight.isQuantized, firstTile: tiles, tiles: weight.tiles,
                firstRow: rows, rows: weight.rows, bias: bias)
            rows += weight.rows
            tiles += weight.tiles
        }
        self.rows = rows
        self.tiles = tiles
    }

    /// Writes the weights of one output as floats.
    func unpackRow(_ row: Int, into values: UnsafeMutablePointer<Float>) {
        var first = 0
        for weight in weights {
            if row < first + weight.rows { return weight.unpackRow(row - first, into: values) }
            first += weight.rows
        }
        preconditionFailure("row outside the layer")
    }

    /// The matrices as the kernels take them; valid while this object lives.
    var kernelParts: UnsafeBufferPointer<LinearPart> { UnsafeBufferPointer(parts.elements) }
}

/// One matrix of a layer with its bias, and where its tiles and outputs begin.
struct LinearPart: BitwiseCopyable {
    let matrix: kv_linear_weight
    let isQuantized: Bool
    let firstTile: Int
    let tiles: Int
    let firstRow: Int
    let rows: Int
    let bias: UnsafePointer<Float>?
}

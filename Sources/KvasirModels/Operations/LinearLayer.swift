internal import CKvasir
internal import KvasirNumerics

/// Weights applied to the same input, their outputs side by side: y = (W1 x, W2 x, ...).
///
/// Query, key and value projections, or gate and up, run as one layer: their input is rounded once and the threads meet
/// once. The weights may have different types.
public final class LinearLayer: Sendable {
    /// The weights, in the order of their outputs.
    public let weights: [LinearWeight]
    /// Output features of all weights together.
    public let rows: Int
    /// Input features.
    public let columns: Int
    /// Memory taken by the packed weights.
    public let byteCount: Int

    /// Stacks weights; at least one, all with the same number of columns.
    public init(_ weights: [LinearWeight]) {
        precondition(!weights.isEmpty, "a linear layer has at least one weight")
        precondition(weights.allSatisfy { $0.columns == weights[0].columns }, "one input, one number of columns")
        self.weights = weights
        columns = weights[0].columns
        rows = weights.reduce(0) { $0 + $1.rows }
        byteCount = weights.reduce(0) { $0 + $1.byteCount }
        parts = AlignedBuffer(
            zeroed: weights.count,
            filledWith: { index in
                let before = weights[..<index]
                return LayerPart(
                    matrix: weights[index].matrix,
                    firstTile: before.reduce(0) { $0 + kv_linear_tiles($1.rows) },
                    tiles: kv_linear_tiles(weights[index].rows),
                    firstRow: before.reduce(0) { $0 + $1.rows })
            })
    }

    /// A layer of one weight.
    public convenience init(_ weight: LinearWeight) { self.init([weight]) }

    let parts: AlignedBuffer<LayerPart>

    /// Row tiles of all parts.
    var tiles: Int {
        let last = parts[parts.count - 1]
        return last.firstTile + last.tiles
    }
}

/// One weight of a layer as the kernels see it, and where its tiles and outputs begin.
struct LayerPart: BitwiseCopyable {
    let matrix: kv_linear_weight
    let firstTile: Int
    let tiles: Int
    let firstRow: Int
}

extension AlignedBuffer {
    fileprivate init(zeroed count: Int, filledWith element: (Int) -> Element) {
        self.init(zeroed: count)
        for index in 0..<count { pointer[index] = element(index) }
    }
}

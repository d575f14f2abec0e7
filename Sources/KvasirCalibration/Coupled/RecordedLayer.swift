internal import KvasirCodecs
internal import KvasirModels
internal import KvasirNumerics

/// What is recorded of a layer: tokens x width each.
struct RecordedLayer {
    let layer: Int
    let keys: FloatMatrix
    let values: FloatMatrix
    /// Of the loss, with respect to the two; nil if none are wanted.
    let gradients: (keys: FloatMatrix, values: FloatMatrix)?
}

extension RecordedLayer {
    init(_ record: LayerRecord) {
        self.init(layer: record.layer, keys: record.keys, values: record.values, gradients: record.gradients)
    }
}

/// Turns keys by their positions, and their gradients alike; in copies, because the model goes on with its own.
final class KeyTurner {
    private var keys = AlignedBuffer<Float>(zeroed: 0)
    private var gradients = AlignedBuffer<Float>(zeroed: 0)

    /// The layer with turned keys; valid until the next call.
    func turned(_ record: LayerRecord, _ rotary: RotaryEmbedding, headSize: Int) -> RecordedLayer {
        keys.reserve(record.keys.rows * record.keys.columns)
        gradients.reserve(record.keys.rows * record.keys.columns)
        return RecordedLayer(
            layer: record.layer,
            keys: Self.turn(record.keys, into: keys.pointer, rotary, headSize: headSize), values: record.values,
            gradients: record.gradients.map {
                (Self.turn($0.keys, into: gradients.pointer, rotary, headSize: headSize), $0.values)
            })
    }

    private static func turn(
        _ matrix: FloatMatrix, into pointer: UnsafeMutablePointer<Float>, _ rotary: RotaryEmbedding, headSize: Int
    ) -> FloatMatrix {
        let copy = FloatMatrix(pointer, rows: matrix.rows, columns: matrix.columns)
        for row in 0..<matrix.rows { copy.row(row).update(from: matrix.row(row), count: matrix.columns) }
        rotary.turn(copy, headSize: headSize)
        return copy
    }
}

internal import KvasirNumerics

/// The weights of a linear layer's matrix as floats, to be changed and packed again.
final class FloatWeights {
    /// Outputs x inputs.
    let matrix: FloatMatrix
    /// What is added to every output; nil for nothing.
    private(set) var bias: [Float]?

    private let buffer: AlignedBuffer<Float>

    /// Unpacks a matrix.
    init(_ weight: LinearWeight, threads: ThreadPool) {
        buffer = AlignedBuffer(zeroed: weight.rows * weight.columns)
        matrix = FloatMatrix(buffer.pointer, rows: weight.rows, columns: weight.columns)
        bias = weight.bias
        let (chunk, target) = (64, matrix)
        threads.run((weight.rows + chunk - 1) / chunk) { item, _ in
            for row in item * chunk..<min((item + 1) * chunk, weight.rows) {
                weight.unpackRow(row, into: target.row(row))
            }
        }
    }

    /// Whether all weights are numbers.
    var isFinite: Bool { matrix.largestMagnitude.isFinite }

    /// The largest magnitude in every column.
    func columnMaxima() -> [Float] {
        var maxima = [Float](repeating: 0, count: matrix.columns)
        for row in 0..<matrix.rows {
            let values = matrix.row(row)
            for column in maxima.indices { maxima[column] = max(maxima[column], abs(values[column])) }
        }
        return maxima
    }

    /// Multiplies every column by a factor.
    func multiplyColumns(by factors: [Float]) {
        precondition(factors.count == matrix.columns, "a factor for every column")
        for row in 0..<matrix.rows {
            let values = matrix.row(row)
            for column in factors.indices { values[column] *= factors[column] }
        }
    }

    /// Divides the outputs from `first` on by factors.
    func divideRows(from first: Int = 0, by factors: [Float]) {
        precondition(first + factors.count <= matrix.rows, "rows of the matrix")
        for (index, factor) in factors.enumerated() {
            let values = matrix.row(first + index)
            for column in 0..<matrix.columns { values[column] /= factor }
            bias?[first + index] /= factor
        }
    }
}

extension FloatMatrix {
    /// The largest magnitude of all values; not a finite number if one of them is none.
    var largestMagnitude: Float {
        var largest: Float = 0
        for row in 0..<rows {
            let values = self.row(row)
            for column in 0..<columns {
                guard values[column].isFinite else { return .infinity }
                largest = max(largest, abs(values[column]))
            }
        }
        return largest
    }
}

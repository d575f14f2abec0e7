internal import CKvasir
internal import KvasirCodecs
internal import KvasirNumerics

/// What a backward pass does beside `Operations`: products with transposed matrices, and derivatives of norms.
final class GradientOperations {
    let forward: Operations
    /// A layer's matrix, transposed and widened: tiles of 16 input channels.
    private var transposed = AlignedBuffer<Float>(zeroed: 0)
    private var between = AlignedBuffer<Float>(zeroed: 0)

    /// Rows that go through a product together: their inputs stay in the second-level cache.
    private static let rowBlock = 128

    init(_ forward: Operations) { self.forward = forward }

    var threads: ThreadPool { forward.threads }

    /// Rows for what lies between two products; valid until the next call.
    func scratch(rows: Int, columns: Int) -> FloatMatrix {
        between.reserve(rows * columns)
        return FloatMatrix(between.pointer, rows: rows, columns: columns)
    }

    /// Computes `input = gradient x W`: what a linear layer's input gets of the gradient of its output.
    func multiplyTransposed(_ gradient: FloatMatrix, _ layer: LinearLayer, into input: FloatMatrix) {
        multiplyTransposed(gradient, layer, rows: 0..<layer.rows, into: input)
    }

    /// The same for some of the layer's outputs: `gradient` has a column for each of them.
    func multiplyTransposed(
        _ gradient: FloatMatrix, _ layer: LinearLayer, rows: Range<Int>, into input: FloatMatrix
    ) {
        precondition(
            gradient.columns == rows.count && input.columns == layer.columns, "the layer's shape, turned round")
        let tiles = kv_linear_tiles(layer.columns)
        transposed.reserve(tiles * rows.count * LinearWeight.tileRows)
        threads.run(
            (rows.count + Self.rowsPerItem - 1) / Self.rowsPerItem,
            TransposeWork(layer: layer, rows: rows, packed: transposed.pointer))
        let matrix = kv_linear_weight(
            type: KV_WEIGHT_F32, rows: layer.columns, columns: rows.count, packed: transposed.pointer)
        for first in stride(from: 0, to: gradient.rows, by: Self.rowBlock) {
            let block = first..<min(first + Self.rowBlock, gradient.rows)
            threads.run(
                tiles,
                ProductWork(
                    kernels: forward.linear, matrix: matrix, input: gradient.rows(block), output: input.rows(block)))
        }
    }

    fileprivate static let rowsPerItem = 16

    /// Computes the gradient of a norm's input from that of its output; `gradient` may be `result`.
    ///
    /// - Parameters:
    ///   - input: what was normed.
    ///   - heads: parts of a row that are normed by themselves.
    func normalizeBackward(
        _ input: FloatMatrix, heads: Int = 1, _ norm: Norm, _ gradient: FloatMatrix, into result: FloatMatrix
    ) {
        norm.weight.withUnsafeBufferPointer { weight in
            guard let weight = weight.baseAddress else { return }
            forward.forEachChunk(
                of: input.rows,
                NormGradientWork(
                    input: input, heads: heads, weight: weight, isCentered: norm.bias != nil, epsilon: norm.epsilon,
                    gradient: gradient, result: result))
        }
    }
}

/// Writes rows of a layer's matrix, widened, as columns of the transposed one.
private struct TransposeWork: ParallelWork {
    let layer: LinearLayer
    let rows: Range<Int>
    let packed: UnsafeMutablePointer<Float>

    func perform(item: Int, worker: Int) {
        let lanes = LinearWeight.tileRows
        let columns = layer.columns
        withUnsafeTemporaryAllocation(of: Float.self, capacity: (columns + lanes - 1) / lanes * lanes) { values in
            guard let values = values.baseAddress else { return }
            values.initialize(repeating: 0, count: (columns + lanes - 1) / lanes * lanes)
            let first = item * GradientOperations.rowsPerItem
            for row in first..<min(first + GradientOperations.rowsPerItem, rows.count) {
                layer.unpackRow(rows.lowerBound + row, into: values)
                for tile in 0..<kv_linear_tiles(columns) {
                    (packed + (tile * rows.count + row) * lanes).update(from: values + tile * lanes, count: lanes)
                }
            }
        }
    }
}

/// One tile of a float32 matrix times all rows of a block.
private struct ProductWork: ParallelWork {
    let kernels: UnsafePointer<kv_linear_kernels>
    let matrix: kv_linear_weight
    let input: FloatMatrix
    let output: FloatMatrix

    func perform(item: Int, worker: Int) {
        withUnsafePointer(to: matrix) {
            kernels.pointee.multiply_f32(
                $0, item, item + 1, input.pointer, input.stride, input.rows, output.pointer, output.stride)
        }
    }
}

/// Derivatives of RMS norms and layer norms, in double precision where sums cancel.
private struct NormGradientWork: ParallelWork {
    let input: FloatMatrix
    let heads: Int
    let weight: UnsafePointer<Float>
    let isCentered: Bool
    let epsilon: Float
    let gradient: FloatMatrix
    let result: FloatMatrix

    func perform(item: Int, worker: Int) {
        let size = input.columns / heads
        for row in chunk(item, of: input.rows) {
            for head in 0..<heads {
                backward(
                    input.row(row) + head * size, gradient.row(row) + head * size, result.row(row) + head * size, size)
            }
        }
    }

    /// With n = (x - mean) r, r = 1 / sqrt(variance + epsilon) and g the gradient of n, that of x is
    /// r (g - mean(g) - n mean(g n)); an RMS norm knows no means of x and g.
    private func backward(
        _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>, _ count: Int
    ) {
        var mean = 0.0
        if isCentered {
            for index in 0..<count { mean += Double(x[index]) }
            mean /= Double(count)
        }
        var (variance, sum, product) = (0.0, 0.0, 0.0)
        for index in 0..<count {
            let centered = Double(x[index]) - mean
            let g = Double(dy[index] * weight[index])
            variance += centered * centered
            sum += g
            product += g * centered
        }
        let inverse = 1 / (variance / Double(count) + Double(epsilon)).squareRoot()
        let shift = isCentered ? sum / Double(count) : 0
        let slope = product / Double(count) * inverse * inverse
        for index in 0..<count {
            let g = Double(dy[index] * weight[index])
            dx[index] = Float(inverse * (g - shift - (Double(x[index]) - mean) * slope))
        }
    }
}

extension Operations {
    /// Computes some of the outputs of a layer of one matrix without biases, in float32: `output` has a column for each.
    ///
    /// - Parameter rows: begins at a multiple of 16.
    func multiply(_ input: FloatMatrix, _ layer: LinearLayer, rows: Range<Int>, into output: FloatMatrix) {
        precondition(rows.lowerBound % LinearWeight.tileRows == 0, "tiles are whole")
        guard let part = layer.kernelParts.first, layer.kernelParts.count == 1, part.bias == nil else {
            preconditionFailure("one matrix without biases")
        }
        let first = rows.lowerBound / LinearWeight.tileRows
        threads.run(
            kv_linear_tiles(rows.count),
            PanelWork(
                kernels: linear, matrix: part.matrix, firstTile: first, input: input,
                output: FloatMatrix(
                    output.pointer - rows.lowerBound, rows: output.rows, columns: output.columns,
                    stride: output.stride)))
    }
}

/// One tile of a matrix times all rows.
private struct PanelWork: ParallelWork {
    let kernels: UnsafePointer<kv_linear_kernels>
    let matrix: kv_linear_weight
    let firstTile: Int
    let input: FloatMatrix
    let output: FloatMatrix

    func perform(item: Int, worker: Int) {
        withUnsafePointer(to: matrix) {
            kernels.pointee.multiply_f32(
                $0, firstTile + item, firstTile + item + 1, input.pointer, input.stride, input.rows, output.pointer,
                output.stride)
        }
    }
}

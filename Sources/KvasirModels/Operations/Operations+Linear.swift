internal import CKvasir
internal import KvasirNumerics

extension Operations {
    /// Multiplies every row of `input` by the matrices of a layer: `output` is rows x `layer.rows`.
    func multiply(_ input: FloatMatrix, _ layer: LinearLayer, into output: FloatMatrix) {
        precondition(input.columns == layer.columns, "the layer takes rows of this width")
        precondition(output.columns == layer.rows && output.rows == input.rows, "the output has the layer's shape")
        inputMaxima?.note(input, of: layer)
        guard let parts = layer.kernelParts.baseAddress else { return }
        var groups: UnsafeMutablePointer<kv_activation_group>?
        if precision == .int8, layer.isQuantized {
            let groupsPerRow = (input.columns + LinearWeight.groupColumns - 1) / LinearWeight.groupColumns
            rounded.reserve(input.rows * groupsPerRow)
            groups = rounded.pointer
            forEachChunk(
                of: input.rows,
                RoundWork(
                    kernels: linear, input: input, groups: rounded.pointer, groupsPerRow: groupsPerRow,
                    limit: layer.takesWholeTokens ? layer.activationLimit : nil))
        }
        let tilesPerItem = Self.tilesPerItem(layer, rows: input.rows)
        threads.run(
            (layer.tiles + tilesPerItem - 1) / tilesPerItem,
            MultiplyWork(
                kernels: linear, elementwise: elementwise, parts: parts, partCount: layer.kernelParts.count,
                tiles: layer.tiles,
                tilesPerItem: tilesPerItem, input: input, groups: groups, output: output))
    }

    /// Returns how many tiles are claimed at a time.
    ///
    /// About 48 KiB of weights, so that claiming costs little beside reading them and memory is read in long stretches;
    /// fewer the more rows share a tile, so that a slow thread never holds the others up for long. Up to 8 rows a tile
    /// takes little longer than to be read.
    private static func tilesPerItem(_ layer: LinearLayer, rows: Int) -> Int {
        let bytesPerTile = max(layer.byteCount / layer.tiles, 1)
        return max(48 * 1024 / (bytesPerTile * max(min(rows, 64) / 8, 1)), 1)
    }
}

private struct RoundWork: ParallelWork {
    let kernels: UnsafePointer<kv_linear_kernels>
    let input: FloatMatrix
    let groups: UnsafeMutablePointer<kv_activation_group>
    let groupsPerRow: Int
    /// As `LinearLayer.activationLimit`; nil for a scale of every group of columns.
    let limit: Float?

    func perform(item: Int, worker: Int) {
        for row in chunk(item, of: input.rows) {
            let target = groups + row * groupsPerRow
            if let limit {
                kernels.pointee.quantize_token(input.row(row), input.columns, limit, target)
            } else {
                kernels.pointee.quantize(input.row(row), input.columns, target)
            }
        }
    }
}

/// Runs of row tiles, counted through all matrices of a layer.
private struct MultiplyWork: ParallelWork {
    let kernels: UnsafePointer<kv_linear_kernels>
    let elementwise: UnsafePointer<kv_ops_kernels>
    let parts: UnsafePointer<LinearPart>
    let partCount: Int
    let tiles: Int
    let tilesPerItem: Int
    let input: FloatMatrix
    let groups: UnsafePointer<kv_activation_group>?
    let output: FloatMatrix

    func perform(item: Int, worker: Int) {
        let begin = item * tilesPerItem
        let end = min(begin + tilesPerItem, tiles)
        for index in 0..<partCount {
            let part = parts + index
            let firstTile = part.pointee.firstTile
            let from = max(begin, firstTile) - firstTile
            let to = min(end - firstTile, part.pointee.tiles)
            guard from < to else { continue }
            let target = output.pointer + part.pointee.firstRow
            withUnsafePointer(to: part.pointee.matrix) { matrix in
                if let groups, part.pointee.isQuantized {
                    kernels.pointee.multiply(matrix, from, to, groups, input.rows, target, output.stride)
                } else {
                    kernels.pointee.multiply_f32(
                        matrix, from, to, input.pointer, input.stride, input.rows, target, output.stride)
                }
            }
            guard let bias = part.pointee.bias else { continue }
            // While the outputs are still in the thread's own cache.
            let first = from * LinearWeight.tileRows
            let count = min(to * LinearWeight.tileRows, part.pointee.rows) - first
            for row in 0..<input.rows {
                elementwise.pointee.add(target + row * output.stride + first, bias + first, count)
            }
        }
    }
}

internal import CKvasir
internal import KvasirNumerics

extension Operations {
    /// Multiplies all rows of `input` by one to three matrices of the same input width.
    func multiply(
        _ input: Activations, _ first: (LinearWeight, Activations), _ second: (LinearWeight, Activations)? = nil,
        _ third: (LinearWeight, Activations)? = nil
    ) {
        let source = prepare(input, rows: input.rows, for: first.0, second?.0, third?.0)
        run(first.0, source, into: first.1.pointer)
        if let second { run(second.0, source, into: second.1.pointer) }
        if let third { run(third.0, source, into: third.1.pointer) }
    }

    /// Multiplies the first `rows.count` rows of `input` by a matrix, into a plain buffer of rows x `weight.rows`.
    func multiply(
        _ input: Activations, rows: Range<Int>, _ weight: LinearWeight, into output: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(output.count >= rows.count * weight.rows, "the buffer holds all outputs")
        guard let target = output.baseAddress else { return }
        run(weight, prepare(input, rows: rows.count, for: weight, nil, nil), into: target)
    }

    /// Rounds the input to 8 bits if any of the matrices takes it so.
    private func prepare(
        _ input: Activations, rows: Int, for first: LinearWeight, _ second: LinearWeight?, _ third: LinearWeight?
    ) -> LinearInput {
        var source = LinearInput(values: input.pointer, rounded: nil, rows: rows, columns: input.columns)
        let wantsIntegers =
            first.isQuantized || (second?.isQuantized ?? false) || (third?.isQuantized ?? false)
        if precision == .int8, wantsIntegers {
            let groups = input.columns / LinearWeight.groupColumns
            rounded.reserve(rows * groups * MemoryLayout<kv_activation_group>.stride)
            let target = UnsafeMutableRawPointer(rounded.pointer).assumingMemoryBound(to: kv_activation_group.self)
            source.rounded = UnsafePointer(target)
            forEachChunk(
                of: rows,
                RoundWork(
                    round: linear.pointee.quantize, values: input.pointer, groups: target, rows: rows,
                    columns: input.columns))
        }
        return source
    }

    private func run(_ weight: LinearWeight, _ input: LinearInput, into output: UnsafeMutablePointer<Float>) {
        precondition(weight.columns == input.columns, "the matrix takes rows of this width")
        // Several items a thread, so that one that the system has descheduled holds up little; each large enough to
        // hide the claim.
        let chunks = max(min(weight.tiles, threads.threadCount * 8), 1)
        let tilesPerItem = (weight.tiles + chunks - 1) / chunks
        threads.run(
            (weight.tiles + tilesPerItem - 1) / tilesPerItem,
            MultiplyWork(
                kernels: linear, weight: weight.kernelWeight, integers: weight.isQuantized && precision == .int8,
                input: input, output: output, tiles: weight.tiles, tilesPerItem: tilesPerItem))
    }
}

/// Rows to be multiplied, as floats and, where a matrix wants it, rounded to 8 bits.
private struct LinearInput {
    let values: UnsafePointer<Float>
    var rounded: UnsafePointer<kv_activation_group>?
    let rows: Int
    let columns: Int
}

private struct RoundWork: ParallelWork {
    let round: @convention(c) (UnsafePointer<Float>?, Int, UnsafeMutablePointer<kv_activation_group>?) -> Void
    let values: UnsafePointer<Float>
    let groups: UnsafeMutablePointer<kv_activation_group>
    let rows: Int
    let columns: Int

    func perform(item: Int, worker: Int) {
        for row in chunk(item, of: rows) {
            round(values + row * columns, columns, groups + row * columns / LinearWeight.groupColumns)
        }
    }
}

private struct MultiplyWork: ParallelWork {
    let kernels: UnsafePointer<kv_linear_kernels>
    let weight: kv_linear_weight
    let integers: Bool
    let input: LinearInput
    let output: UnsafeMutablePointer<Float>
    let tiles: Int
    let tilesPerItem: Int

    func perform(item: Int, worker: Int) {
        let first = item * tilesPerItem
        let end = min(first + tilesPerItem, tiles)
        withUnsafePointer(to: weight) { weight in
            if integers, let rounded = input.rounded {
                kernels.pointee.multiply(weight, first, end, rounded, input.rows, output, weight.pointee.rows)
            } else {
                kernels.pointee.multiply_f32(
                    weight, first, end, input.values, input.columns, input.rows, output, weight.pointee.rows)
            }
        }
    }
}

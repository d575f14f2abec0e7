internal import CKvasir
internal import KvasirCodecs
internal import KvasirNumerics

/// The backward pass of causal attention of one sequence from position 0 on, exact in float32.
///
/// Scores are computed once more, a block of query rows at a time. With p the weights of a row, o its output and g the
/// gradient of o: the gradient of a value is the sum of p g, that of a score p (g v - g o), and queries and keys follow
/// from it. The gradients of a KV head are summed over the query heads of its group.
final class AttentionGradient {
    private let threads: ThreadPool
    private let linear: UnsafePointer<kv_linear_kernels>
    private let elementwise: UnsafePointer<kv_ops_kernels>
    /// A share for every worker.
    private var scratch = AlignedBuffer<Float>(zeroed: 0)
    /// Gradients of keys and values by query head.
    private var perHead = AlignedBuffer<Float>(zeroed: 0)

    init(_ operations: Operations) {
        threads = operations.threads
        linear = operations.linear
        elementwise = operations.elementwise
    }

    /// Computes the gradients of queries, keys and values after rotary embedding.
    ///
    /// - Parameters:
    ///   - parts: what attention read.
    ///   - output: what it gave: tokens x query width.
    ///   - gradient: the gradient of `output`.
    ///   - factor: what scores are multiplied by.
    ///   - window: tokens that a query attends to, its own included; nil for all.
    ///   - result: written.
    func backward(
        _ parts: SelfAttention.Parts, output: FloatMatrix, gradient: FloatMatrix, heads: HeadShape, factor: Float,
        window: Int?, into result: SelfAttention.Parts
    ) {
        let queryHeads = parts.queries.columns / heads.headSize
        let work = HeadWork(
            linear: linear, elementwise: elementwise, parts: parts, output: output, gradient: gradient, result: result,
            heads: heads, factor: factor, window: window ?? .max)
        scratch.reserve(work.scratchValues * threads.threadCount)
        perHead.reserve(2 * queryHeads * parts.keys.rows * heads.headSize)
        threads.run(queryHeads, ScratchedWork(work: work, scratch: scratch.pointer, perHead: perHead.pointer))
        threads.run(
            heads.kvHeads, GroupSumWork(work: work, perHead: perHead.pointer, group: queryHeads / heads.kvHeads))
    }
}

/// What all query heads share.
private struct HeadWork {
    let linear: UnsafePointer<kv_linear_kernels>
    let elementwise: UnsafePointer<kv_ops_kernels>
    let parts: SelfAttention.Parts
    let output: FloatMatrix
    let gradient: FloatMatrix
    let result: SelfAttention.Parts
    let heads: HeadShape
    let factor: Float
    let window: Int

    /// Query rows that are worked on together.
    static let block = 64
    static let lanes = LinearWeight.tileRows

    var tokens: Int { parts.keys.rows }
    var size: Int { heads.headSize }
    var group: Int { parts.queries.columns / heads.width }
    var paddedTokens: Int { (tokens + Self.lanes - 1) / Self.lanes * Self.lanes }
    var paddedSize: Int { (size + Self.lanes - 1) / Self.lanes * Self.lanes }

    /// Values that a worker needs.
    var scratchValues: Int {
        let matrices = 3 * paddedTokens * paddedSize
        let scores = 4 * Self.block * paddedTokens
        return matrices + scores + 2 * Self.block * paddedSize + paddedTokens * size
    }

    /// A matrix in the kernels' layout, some of its tiles and columns.
    func multiply(
        packed: UnsafePointer<Float>, rows: Int, columns: Int, tiles: Range<Int>, _ input: FloatMatrix,
        into output: UnsafeMutablePointer<Float>, stride: Int
    ) {
        let matrix = kv_linear_weight(type: KV_WEIGHT_F32, rows: rows, columns: columns, packed: packed)
        withUnsafePointer(to: matrix) {
            linear.pointee.multiply_f32(
                $0, tiles.lowerBound, tiles.upperBound, input.pointer, input.stride, input.rows, output, stride)
        }
    }
}

/// One query head.
private struct ScratchedWork: ParallelWork {
    let work: HeadWork
    let scratch: UnsafeMutablePointer<Float>
    let perHead: UnsafeMutablePointer<Float>

    func perform(item: Int, worker: Int) {
        let (tokens, size) = (work.tokens, work.size)
        let columns = item * size..<(item + 1) * size
        let kvColumns = item / work.group * size..<(item / work.group + 1) * size
        var rest = scratch + worker * work.scratchValues
        func take(_ count: Int) -> UnsafeMutablePointer<Float> {
            defer { rest += count }
            return rest
        }
        let run = HeadRun(
            work: work, queries: work.parts.queries.columns(columns), keys: work.parts.keys.columns(kvColumns),
            values: work.parts.values.columns(kvColumns), output: work.output.columns(columns),
            gradient: work.gradient.columns(columns), queryGradient: work.result.queries.columns(columns),
            keyGradient: FloatMatrix(perHead + 2 * item * tokens * size, rows: tokens, columns: size),
            valueGradient: FloatMatrix(perHead + (2 * item + 1) * tokens * size, rows: tokens, columns: size),
            keysByToken: take(work.paddedTokens * work.paddedSize),
            valuesByToken: take(work.paddedTokens * work.paddedSize),
            keysByChannel: take(work.paddedTokens * work.paddedSize),
            weights: take(HeadWork.block * work.paddedTokens), slopes: take(HeadWork.block * work.paddedTokens),
            turnedWeights: take(HeadWork.block * work.paddedTokens),
            turnedSlopes: take(HeadWork.block * work.paddedTokens),
            queriesByChannel: take(HeadWork.block * work.paddedSize),
            gradientByChannel: take(HeadWork.block * work.paddedSize), product: take(work.paddedTokens * size))
        run.perform()
    }
}

/// The matrices of one query head.
private struct HeadRun {
    let work: HeadWork
    let queries: FloatMatrix
    let keys: FloatMatrix
    let values: FloatMatrix
    let output: FloatMatrix
    let gradient: FloatMatrix
    let queryGradient: FloatMatrix
    let keyGradient: FloatMatrix
    let valueGradient: FloatMatrix
    /// Tiles of 16 tokens: [tile][channel][token].
    let keysByToken: UnsafeMutablePointer<Float>
    let valuesByToken: UnsafeMutablePointer<Float>
    /// Tiles of 16 channels: [tile][token][channel].
    let keysByChannel: UnsafeMutablePointer<Float>
    /// Of a block: query rows x tokens, and the same turned round.
    let weights: UnsafeMutablePointer<Float>
    let slopes: UnsafeMutablePointer<Float>
    let turnedWeights: UnsafeMutablePointer<Float>
    let turnedSlopes: UnsafeMutablePointer<Float>
    /// Of a block, tiles of 16 channels: [tile][query row][channel].
    let queriesByChannel: UnsafeMutablePointer<Float>
    let gradientByChannel: UnsafeMutablePointer<Float>
    let product: UnsafeMutablePointer<Float>

    private static let lanes = HeadWork.lanes

    func perform() {
        packByToken(keys, into: keysByToken)
        packByToken(values, into: valuesByToken)
        packByChannel(keys, into: keysByChannel)
        keyGradient.pointer.update(repeating: 0, count: work.tokens * work.size)
        valueGradient.pointer.update(repeating: 0, count: work.tokens * work.size)
        for first in stride(from: 0, to: work.tokens, by: HeadWork.block) {
            backward(first..<min(first + HeadWork.block, work.tokens))
        }
    }

    private func packByToken(_ matrix: FloatMatrix, into packed: UnsafeMutablePointer<Float>) {
        packed.update(repeating: 0, count: work.paddedTokens * matrix.columns)
        for token in 0..<matrix.rows {
            let tile = packed + token / Self.lanes * matrix.columns * Self.lanes + token % Self.lanes
            for channel in 0..<matrix.columns { tile[channel * Self.lanes] = matrix.row(token)[channel] }
        }
    }

    private func packByChannel(_ matrix: FloatMatrix, into packed: UnsafeMutablePointer<Float>) {
        for tile in 0..<work.paddedSize / Self.lanes {
            let first = tile * Self.lanes
            let count = min(Self.lanes, matrix.columns - first)
            for row in 0..<matrix.rows {
                let target = packed + (tile * matrix.rows + row) * Self.lanes
                target.update(from: matrix.row(row) + first, count: count)
                (target + count).update(repeating: 0, count: Self.lanes - count)
            }
        }
    }

    private func backward(_ rows: Range<Int>) {
        let (lanes, size) = (Self.lanes, work.size)
        let stride = work.paddedTokens
        let begin = max(rows.lowerBound + 1 - min(work.window, work.tokens), 0) / lanes * lanes
        let end = rows.upperBound
        let tiles = begin / lanes..<(end + lanes - 1) / lanes
        work.multiply(
            packed: keysByToken, rows: work.tokens, columns: size, tiles: tiles, queries.rows(rows), into: weights,
            stride: stride)
        work.multiply(
            packed: valuesByToken, rows: work.tokens, columns: size, tiles: tiles, gradient.rows(rows), into: slopes,
            stride: stride)
        for row in rows {
            differentiate(
                row, weights + (row - rows.lowerBound) * stride, slopes + (row - rows.lowerBound) * stride, begin, end)
        }

        // dQ = dS K, a tile of channels at a time.
        let scores = FloatMatrix(slopes + begin, rows: rows.count, columns: end - begin, stride: stride)
        for tile in 0..<work.paddedSize / lanes {
            work.multiply(
                packed: keysByChannel + (tile * work.tokens + begin) * lanes, rows: min(lanes, size - tile * lanes),
                columns: end - begin, tiles: 0..<1, scores, into: queryGradient.row(rows.lowerBound) + tile * lanes,
                stride: queryGradient.stride)
        }
        // dK += dS^T Q and dV += P^T dO.
        packByChannel(queries.rows(rows), into: queriesByChannel)
        packByChannel(gradient.rows(rows), into: gradientByChannel)
        turn(slopes, into: turnedSlopes, rows: rows.count, from: begin, to: end)
        turn(weights, into: turnedWeights, rows: rows.count, from: begin, to: end)
        addProduct(turnedSlopes, queriesByChannel, rows: rows.count, tokens: begin..<end, to: keyGradient)
        addProduct(turnedWeights, gradientByChannel, rows: rows.count, tokens: begin..<end, to: valueGradient)
    }

    /// Turns a row's products with keys into weights, and its products with values into the gradients of the products
    /// with keys, over positions `begin..<end`.
    private func differentiate(
        _ row: Int, _ weights: UnsafeMutablePointer<Float>, _ slopes: UnsafeMutablePointer<Float>, _ begin: Int,
        _ end: Int
    ) {
        let first = max(row + 1 - min(work.window, work.tokens), begin)
        let last = row + 1
        (weights + begin).update(repeating: 0, count: first - begin)
        (weights + last).update(repeating: 0, count: end - last)
        for position in first..<last { weights[position] *= work.factor }
        let maximum = work.elementwise.pointee.max(weights + first, last - first)
        let inverse = 1 / work.elementwise.pointee.exp_sum(weights + first, last - first, maximum)
        var mean: Float = 0
        for channel in 0..<work.size { mean += gradient.row(row)[channel] * output.row(row)[channel] }
        for position in first..<last {
            weights[position] *= inverse
            slopes[position] = work.factor * weights[position] * (slopes[position] - mean)
        }
        (slopes + begin).update(repeating: 0, count: first - begin)
        (slopes + last).update(repeating: 0, count: end - last)
    }

    /// Writes columns `begin..<end` of a block as rows of `HeadWork.block` values.
    private func turn(
        _ source: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>, rows: Int, from begin: Int,
        to end: Int
    ) {
        for first in stride(from: begin, to: end, by: Self.lanes) {
            for row in 0..<rows {
                for position in first..<min(first + Self.lanes, end) {
                    target[(position - begin) * HeadWork.block + row] = source[row * work.paddedTokens + position]
                }
            }
        }
    }

    private func addProduct(
        _ turned: UnsafeMutablePointer<Float>, _ packed: UnsafePointer<Float>, rows: Int, tokens: Range<Int>,
        to sums: FloatMatrix
    ) {
        work.multiply(
            packed: packed, rows: work.size, columns: rows, tiles: 0..<work.paddedSize / Self.lanes,
            FloatMatrix(turned, rows: tokens.count, columns: rows, stride: HeadWork.block), into: product,
            stride: work.size)
        let target = sums.row(tokens.lowerBound)
        for index in 0..<tokens.count * work.size { target[index] += product[index] }
    }
}

/// Sums the gradients of a KV head over the query heads of its group, in their order.
private struct GroupSumWork: ParallelWork {
    let work: HeadWork
    let perHead: UnsafePointer<Float>
    let group: Int

    func perform(item: Int, worker: Int) {
        let size = work.size
        for (part, target) in [work.result.keys, work.result.values].enumerated() {
            for token in 0..<work.tokens {
                let sum = target.row(token) + item * size
                sum.update(repeating: 0, count: size)
                for member in 0..<group {
                    let head = item * group + member
                    let source = perHead + ((2 * head + part) * work.tokens + token) * size
                    for channel in 0..<size { sum[channel] += source[channel] }
                }
            }
        }
    }
}

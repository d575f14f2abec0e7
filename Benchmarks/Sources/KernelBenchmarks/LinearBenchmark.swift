internal import CKvasir
package import KvasirNumerics

/// A format of weights that the linear kernels take.
package enum LinearFormat: String, Sendable, CaseIterable {
    case f32 = "F32"
    case f16 = "F16"
    case bf16 = "BF16"
    case q4_0 = "Q4_0"
    case q4_1 = "Q4_1"
    case q5_0 = "Q5_0"
    case q5_1 = "Q5_1"
    case q8_0 = "Q8_0"
    case q4_K = "Q4_K"
    case q5_K = "Q5_K"
    case q6_K = "Q6_K"
    case int8Row = "INT8_ROW"

    var type: kv_weight_type {
        switch self {
        case .f32: KV_WEIGHT_F32
        case .f16: KV_WEIGHT_F16
        case .bf16: KV_WEIGHT_BF16
        case .q4_0: KV_WEIGHT_Q4_0
        case .q4_1: KV_WEIGHT_Q4_1
        case .q5_0: KV_WEIGHT_Q5_0
        case .q5_1: KV_WEIGHT_Q5_1
        case .q8_0: KV_WEIGHT_Q8_0
        case .q4_K: KV_WEIGHT_Q4_K
        case .q5_K: KV_WEIGHT_Q5_K
        case .q6_K: KV_WEIGHT_Q6_K
        case .int8Row: KV_WEIGHT_INT8_ROW
        }
    }
}

/// The shape of the linear layers that are timed.
package struct LinearShape: Sendable {
    /// Outputs.
    package let rows: Int
    /// Inputs.
    package let columns: Int
    /// Bytes of weights taken in turn, at least: a model's do not fit a cache, so one matrix alone would tell little.
    package let footprint: Int

    package init(rows: Int, columns: Int, footprint: Int) {
        self.rows = rows
        self.columns = columns
        self.footprint = footprint
    }
}

/// Times linear layers of one weight format on one instruction set.
package struct LinearBenchmark {
    private let format: LinearFormat
    private let instructionSet: InstructionSet
    private let shape: LinearShape
    private let machine: MachineLimits
    private let threads: ThreadPool
    private let sampler: Sampler

    package init(
        format: LinearFormat, instructionSet: InstructionSet, shape: LinearShape, machine: MachineLimits,
        threads: ThreadPool, sampler: Sampler
    ) {
        self.format = format
        self.instructionSet = instructionSet
        self.shape = shape
        self.machine = machine
        self.threads = threads
        self.sampler = sampler
    }

    /// Times the product with each number of tokens in `batches`, or returns nil if the format does not take the shape.
    ///
    /// Block formats are multiplied by activations rounded to 8 bits, the float formats by float32.
    package func multiply(batches: [Int]) -> [KernelResult]? {
        let matrixBytes = kv_linear_packed_bytes(format.type, shape.rows, shape.columns)
        guard matrixBytes > 0 else { return nil }
        let stride = (matrixBytes + 63) / 64 * 64
        let matrices = max((shape.footprint + matrixBytes - 1) / matrixBytes, 1)
        let packed = AlignedBuffer<UInt8>(zeroed: stride * matrices)
        pack(into: packed.pointer)
        for matrix in 1..<max(matrices, 1) {
            (packed.pointer + matrix * stride).update(from: packed.pointer, count: matrixBytes)
        }
        guard let kernels = kv_linear_kernels_for(kv_isa(rawValue: instructionSet.code)) else { return nil }
        let isQuantized = kv_linear_is_quantized(format.type)
        return batches.map { tokens in
            let groupsPerToken = (shape.columns + Int(KV_LINEAR_GROUP_COLUMNS) - 1) / Int(KV_LINEAR_GROUP_COLUMNS)
            let inputs = randomVectors(tokens, of: shape.columns, seed: 4)
            let groups = AlignedBuffer<kv_activation_group>(zeroed: isQuantized ? tokens * groupsPerToken : 0)
            if isQuantized {
                for token in 0..<tokens {
                    let (from, to) = (inputs.pointer + token * shape.columns, groups.pointer + token * groupsPerToken)
                    if format == .int8Row {
                        kernels.pointee.quantize_token(from, shape.columns, 0, to)
                    } else {
                        kernels.pointee.quantize(from, shape.columns, to)
                    }
                }
            }
            let outputs = AlignedBuffer<Float>(zeroed: tokens * shape.rows)
            let tiles = kv_linear_tiles(shape.rows)
            let tilesPerItem = tilesPerItem(tokens: tokens)
            let timing = sampler.time { run in
                let weight = kv_linear_weight(
                    type: format.type, rows: shape.rows, columns: shape.columns,
                    packed: packed.pointer + run % matrices * stride)
                let work = MultiplyWork(
                    kernels: kernels, weight: weight, tiles: tiles, tilesPerItem: tilesPerItem, tokens: tokens,
                    inputs: inputs.pointer, groups: isQuantized ? groups.pointer : nil, outputs: outputs.pointer)
                threads.run((tiles + tilesPerItem - 1) / tilesPerItem, work)
            }
            let limit = Limit.settled(for: timing) {
                Limit.tightest(
                    .reading(matrixBytes, ofSize: matrixBytes * matrices, on: machine),
                    .arithmetic(
                        shape.rows * shape.columns * tokens, bits: isQuantized ? 8 : 16, instructionSet, on: machine))
            }
            return KernelResult(
                kernel: "linear", format: format.rawValue, instructionSet: instructionSet, rows: tokens,
                values: shape.rows * shape.columns, bytes: matrixBytes, timing: timing, limit: limit)
        }
    }

    /// Row tiles claimed at a time, the same as in the engine's linear layers.
    private func tilesPerItem(tokens: Int) -> Int {
        let bytesPerTile = max(kv_linear_tile_bytes(format.type, shape.columns), 1)
        return max(48 * 1024 / (bytesPerTile * min(tokens, 64)), 1)
    }

    /// Packs a matrix of bytes that are moderate finite numbers however a format reads them.
    ///
    /// The kernels take the same path for every finite weight; a NaN, an infinity or a subnormal might be slower.
    private func pack(into packed: UnsafeMutablePointer<UInt8>) {
        if format == .int8Row {
            let source = randomVectors(shape.rows, of: shape.columns, seed: 5)
            return kv_linear_round_rows(
                source.pointer, shape.columns, shape.rows, shape.columns, 0, 0, kv_linear_tiles(shape.rows), packed)
        }
        let block = kv_weight_block_values(format.type)
        let rowBytes = shape.columns / block * kv_weight_block_bytes(format.type)
        let source = AlignedBuffer<UInt8>(zeroed: shape.rows * rowBytes)
        var generator = SeededGenerator(seed: 5)
        for index in 0..<source.count { source.pointer[index] = UInt8.random(in: 0x28...0x37, using: &generator) }
        kv_linear_repack(
            format.type, source.pointer, rowBytes, shape.rows, shape.columns, 0, kv_linear_tiles(shape.rows), packed)
    }
}

private struct MultiplyWork: ParallelWork {
    let kernels: UnsafePointer<kv_linear_kernels>
    let weight: kv_linear_weight
    let tiles: Int
    let tilesPerItem: Int
    let tokens: Int
    let inputs: UnsafePointer<Float>
    let groups: UnsafePointer<kv_activation_group>?
    let outputs: UnsafeMutablePointer<Float>

    func perform(item: Int, worker: Int) {
        let begin = item * tilesPerItem
        let end = min(begin + tilesPerItem, tiles)
        withUnsafePointer(to: weight) { weight in
            if let groups {
                kernels.pointee.multiply(weight, begin, end, groups, tokens, outputs, weight.pointee.rows)
            } else {
                kernels.pointee.multiply_f32(
                    weight, begin, end, inputs, weight.pointee.columns, tokens, outputs, weight.pointee.rows)
            }
        }
    }
}

import CKvasir
import KvasirModels
import KvasirNumerics
import Testing

@Suite("Linear layers")
struct LinearLayerTests {
    func weight(
        _ format: WeightFormat, rows: Int, columns: Int, seed: UInt64, pool: ThreadPool? = nil
    ) throws -> LinearWeight {
        var generator = SeededGenerator(seed: seed)
        let bytes = format.randomMatrix(rows: rows, columns: columns, using: &generator)
        return try bytes.withUnsafeBytes {
            try LinearWeight(type: format.type, rows: rows, columns: columns, source: $0, pool: pool)
        }
    }

    func apply(_ layer: LinearLayer, _ x: [Float], tokens: Int, by executor: inout LinearExecutor) -> [Float] {
        var y = [Float](repeating: .nan, count: tokens * layer.rows)
        executor.apply(layer, x: x, xStride: layer.columns, tokens: tokens, y: &y, yStride: layer.rows)
        return y
    }

    @Test("Weights stacked into one layer give the outputs they give alone, side by side")
    func stackedWeights() throws {
        let pool = try ThreadPool(threadCount: 1)
        let weights = try [
            weight(.q4_1, rows: 48, columns: 256, seed: 50), weight(.q6_k, rows: 19, columns: 256, seed: 51),
            weight(.f16, rows: 33, columns: 256, seed: 52), weight(.q4_1, rows: 1, columns: 256, seed: 53),
        ]
        let stack = LinearLayer(weights)
        #expect(stack.rows == 101)
        #expect(stack.byteCount == weights.reduce(0) { $0 + $1.byteCount })
        for precision in ActivationPrecision.allCases {
            var executor = LinearExecutor(instructionSet: .best, precision: precision, pool: pool)
            for tokens in [1, 5] {
                let x = randomActivations(tokens * 256, seed: 54)
                let together = apply(stack, x, tokens: tokens, by: &executor)
                var first = 0
                for weight in weights {
                    let alone = apply(LinearLayer(weight), x, tokens: tokens, by: &executor)
                    for token in 0..<tokens {
                        let outputs = together[token * 101 + first..<token * 101 + first + weight.rows]
                        #expect(
                            bitPatterns(outputs)
                                == bitPatterns(alone[token * weight.rows..<(token + 1) * weight.rows]))
                    }
                    first += weight.rows
                }
            }
        }
    }

    @Test("The number of threads changes no output", arguments: WeightFormat.allCases)
    func threadsChangeNothing(format: WeightFormat) throws {
        let single = try ThreadPool(threadCount: 1)
        let pool = try ThreadPool()
        let layer = LinearLayer(try weight(format, rows: 1_000, columns: 512, seed: 55, pool: pool))
        for precision in ActivationPrecision.allCases {
            var one = LinearExecutor(instructionSet: .best, precision: precision, pool: single)
            var all = LinearExecutor(instructionSet: .best, precision: precision, pool: pool)
            for tokens in [1, 40] {
                let x = randomActivations(tokens * 512, seed: 56)
                let expected = apply(layer, x, tokens: tokens, by: &one)
                #expect(bitPatterns(apply(layer, x, tokens: tokens, by: &all)) == bitPatterns(expected))
            }
        }
    }

    @Test("Rounding activations to 8 bits costs less than a hundredth of the output's size")
    func precisionsAgree() throws {
        let pool = try ThreadPool(threadCount: 1)
        let layer = LinearLayer(try weight(.q8_0, rows: 128, columns: 768, seed: 57))
        var int8 = LinearExecutor(instructionSet: .best, precision: .int8, pool: pool)
        var float32 = LinearExecutor(instructionSet: .best, precision: .float32, pool: pool)
        let x = randomActivations(768, seed: 58)
        let rounded = apply(layer, x, tokens: 1, by: &int8)
        let exact = apply(layer, x, tokens: 1, by: &float32)
        let error = zip(rounded, exact).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
        let size = exact.reduce(0.0) { $0 + Double($1 * $1) }
        #expect(error > 0)
        #expect(error < size * 1e-4)
    }

    @Test("A row reads back as the embedding it is")
    func rowsReadBack() throws {
        let packed = PackedMatrix(.q4_1, rows: 20, columns: 64, seed: 59)
        let weight = try packed.source.withUnsafeBytes {
            try LinearWeight(type: KV_WEIGHT_Q4_1, rows: 20, columns: 64, source: $0)
        }
        var values = [Float](repeating: 0, count: 64)
        weight.copyRow(17, into: &values)
        #expect(values == packed.row(17).map(\.value))
    }

    @Test("Scratch memory is that of the tokens asked for and stays once it is there")
    func scratchMemory() throws {
        let pool = try ThreadPool(threadCount: 1)
        let layer = LinearLayer(try weight(.q4_0, rows: 16, columns: 64, seed: 60))
        var executor = LinearExecutor(instructionSet: .best, pool: pool, tokens: 8, columns: 64)
        let before = executor.scratchByteCount
        #expect(before == 8 * 2 * MemoryLayout<kv_activation_group>.stride)
        _ = apply(layer, randomActivations(8 * 64, seed: 61), tokens: 8, by: &executor)
        #expect(executor.scratchByteCount == before)
        _ = apply(layer, randomActivations(9 * 64, seed: 61), tokens: 9, by: &executor)
        #expect(executor.scratchByteCount > before)
    }

    @Test("What is no matrix is refused with the reason")
    func refusals() {
        func reason(_ type: kv_weight_type, rows: Int, columns: Int, bytes: Int) -> LinearWeightError.Reason? {
            let source = [UInt8](repeating: 0, count: bytes)
            do {
                _ = try source.withUnsafeBytes {
                    try LinearWeight(type: type, rows: rows, columns: columns, source: $0)
                }
                return nil
            } catch {
                let description = "\(error)"
                #expect(!description.contains("\n") && description.contains("\(rows) x \(columns)"))
                return (error as? LinearWeightError)?.reason
            }
        }
        #expect(reason(KV_WEIGHT_Q4_1, rows: 0, columns: 32, bytes: 0) == .emptyShape)
        #expect(reason(KV_WEIGHT_Q4_1, rows: 1, columns: -32, bytes: 20) == .emptyShape)
        #expect(reason(kv_weight_type(rawValue: 99), rows: 1, columns: 32, bytes: 20) == .unknownType)
        #expect(reason(KV_WEIGHT_Q4_1, rows: 1, columns: 40, bytes: 20) == .columnsNotInBlocks)
        #expect(reason(KV_WEIGHT_Q4_K, rows: 1, columns: 32, bytes: 144) == .columnsNotInBlocks)
        #expect(reason(KV_WEIGHT_Q4_1, rows: 2, columns: 32, bytes: 39) == .wrongSourceSize(received: 39))
        #expect(reason(KV_WEIGHT_F32, rows: .max, columns: 32, bytes: 4) == .wrongSourceSize(received: 4))
        #expect(reason(KV_WEIGHT_Q4_1, rows: 2, columns: 32, bytes: 40) == nil)
    }
}

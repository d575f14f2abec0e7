import CKvasir
import KvasirCache
import KvasirCodecs
import KvasirNumerics
import KvasirWeights
import Testing

@testable import KvasirModels

/// A bias is added to what a layer computes without it, whatever the matrix, the precision and the share of a thread.
struct LinearBiasTests {
    @Test(arguments: [WeightFormat.f32, .f16, .q4_1, .q8_0], InstructionSet.supported)
    func biasIsAddedToEveryOutput(format: WeightFormat, instructionSet: InstructionSet) throws {
        let (columns, rows) = (64, [7, 40, 100])
        var generator = SeededGenerator(seed: 9)
        let tensors = try rows.map { rows in
            let bytes = format.randomMatrix(rows: rows, columns: columns, using: &generator)
            return try WeightTensor(
                name: "w", type: #require(TensorType(rawValue: format.type.rawValue)), shape: [columns, rows],
                storage: bytes.withUnsafeBytes { WeightBuffer(copying: $0) })
        }
        // The matrix in the middle has none.
        let biases = [randomActivations(rows[0], seed: 50), nil, randomActivations(rows[2], seed: 51)]
        let added = (biases[0] ?? []) + [Float](repeating: 0, count: rows[1]) + (biases[2] ?? [])
        for threads in try [ThreadPool(threadCount: 1), ThreadPool()] {
            let arena = try #require(MemoryArena(capacity: 1 << 20))
            func layer(biased: Bool) throws -> LinearLayer {
                let weights = try zip(tensors, biases).map {
                    try LinearWeight($0, bias: biased ? $1 : nil, in: arena, threads: threads)
                }
                return LinearLayer(weights[0], weights[1], weights[2])
            }
            let layers = (plain: try layer(biased: false), biased: try layer(biased: true))
            for precision in LinearPrecision.allCases {
                let plan = try CachePlan(
                    CacheConfiguration(parsing: "f16"),
                    shape: CacheShape(layers: 1, heads: HeadShape(kvHeads: 1, headSize: 16), queryHeads: 1),
                    instructionSet: instructionSet)
                let operations = Operations(
                    plan: plan, instructionSet: instructionSet, threads: threads, precision: precision)
                for tokens in [1, 5, 33] {
                    let input = Activations(columns: columns)
                    input.resize(rows: tokens)
                    for (index, value) in randomActivations(tokens * columns, seed: 52).enumerated() {
                        input.matrix.pointer[index] = value
                    }
                    func output(_ layer: LinearLayer) -> [Float] {
                        let output = Activations(columns: layer.rows)
                        output.resize(rows: tokens)
                        operations.multiply(input.matrix, layer, into: output.matrix)
                        return (0..<tokens * layer.rows).map { output.matrix.pointer[$0] }
                    }
                    let expected = output(layers.plain).enumerated().map { $1 + added[$0 % added.count] }
                    #expect(output(layers.biased) == expected)
                }
            }
        }
    }
}

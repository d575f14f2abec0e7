import CKvasir
import KvasirNumerics
import Testing

/// A float32 matrix rounded to 8 bits with a scale for each row.
private final class RoundedMatrix {
    let rows, columns: Int
    let source: [Float]
    private let packed: AlignedBuffer<UInt8>

    init(_ source: [Float], rows: Int, columns: Int, limit: Float = 0) {
        (self.rows, self.columns, self.source) = (rows, columns, source)
        packed = AlignedBuffer(zeroed: kv_linear_packed_bytes(KV_WEIGHT_INT8_ROW, rows, columns))
        // In two ranges, as threads do.
        let tiles = kv_linear_tiles(rows)
        for (begin, end) in [(0, tiles / 2), (tiles / 2, tiles)] {
            kv_linear_round_rows(source, columns, rows, columns, limit, begin, end, packed.pointer)
        }
    }

    var matrix: kv_linear_weight {
        kv_linear_weight(
            type: KV_WEIGHT_INT8_ROW, rows: rows, columns: columns, packed: UnsafeRawPointer(packed.pointer))
    }

    func row(_ row: Int) -> [Float] {
        // What lies behind a row must stay as it is, whatever its last group holds.
        var values = [Float](repeating: .nan, count: columns + 32)
        withUnsafePointer(to: matrix) { kv_linear_unpack_row($0, row, &values) }
        #expect(values.suffix(32).allSatisfy { $0.isNaN })
        return Array(values.prefix(columns))
    }
}

extension Kernels {
    /// Tokens rounded with one scale each.
    fileprivate func quantizeTokens(_ x: [Float], columns: Int, limit: Float = 0) -> [kv_activation_group] {
        let groups = (columns + 31) / 32
        var result = [kv_activation_group](repeating: kv_activation_group(), count: x.count / columns * groups)
        for token in 0..<x.count / columns {
            let values = Array(x[token * columns..<(token + 1) * columns])
            result.withUnsafeMutableBufferPointer {
                table.pointee.quantize_token(values, columns, limit, $0.baseAddress! + token * groups)
            }
        }
        return result
    }
}

private func codes(_ groups: some Sequence<kv_activation_group>) -> [Int] {
    groups.flatMap { group in withUnsafeBytes(of: group.codes) { $0.map { Int(Int8(bitPattern: $0)) } } }
}

/// 8-bit weights with a scale for each row, 8-bit activations with one for each token.
@Suite("Rows and tokens with one scale each")
struct RoundedRowTests {
    private static let shapes: [(rows: Int, columns: Int)] = [
        (1, 1), (5, 33), (16, 64), (17, 100), (53, 576), (20, 1536),
    ]

    @Test("A weight is within half a step of its row's scale")
    func weightsAreRounded() {
        for (rows, columns) in Self.shapes {
            var source = randomActivations(rows * columns, seed: 60)
            if rows > 1 { for column in 0..<columns { source[columns + column] = 0 } }
            let matrix = RoundedMatrix(source, rows: rows, columns: columns)
            let whole = RoundedMatrix(source, rows: rows, columns: columns, limit: 2)
            for row in 0..<rows {
                let values = source[row * columns..<(row + 1) * columns]
                let scale = (values.map(\.magnitude).max() ?? 0) / 127
                for (rounded, value) in zip(matrix.row(row), values) {
                    #expect((rounded - value).magnitude <= scale * 0.50001)
                    #expect(scale == 0 || abs((rounded / scale).rounded() - rounded / scale) < 1e-4)
                }
                for (rounded, value) in zip(whole.row(row), values) {
                    #expect((rounded - value).magnitude <= 2 / 127 * 0.50001)
                }
            }
        }
    }

    @Test("Every instruction set rounds tokens to the same bytes, and within half a step")
    func tokensAreRounded() {
        for columns in [1, 31, 32, 33, 100, 1536] {
            for (factor, limit): (Float, Float) in [(1, 0), (0x1p126, 0), (0x1p-130, 0), (1, 0.5), (1, 100), (0, 0)] {
                let x = randomActivations(columns, seed: 61).map { $0 * factor }
                let expected = Kernels(.generic).quantizeTokens(x, columns: columns, limit: limit)
                let largest = limit > 0 ? limit : x.map(\.magnitude).max() ?? 0
                let scale = largest < 0x1p-119 ? 0 : largest / 127
                let all = codes(expected)
                #expect(expected.allSatisfy { $0.scale == scale && $0.minus_sum == -all.reduce(0) { $0 + Int32($1) } })
                #expect(all.dropFirst(columns).allSatisfy { $0 == 0 })
                for (code, value) in zip(all, x) where scale > 0 {
                    let clamped = min(max(Double(value), -Double(largest)), Double(largest))
                    #expect((Double(code) * Double(scale) - clamped).magnitude <= Double(scale) * 0.50001)
                }
                for instructionSet in InstructionSet.supported {
                    let own = Kernels(instructionSet).quantizeTokens(x, columns: columns, limit: limit)
                    #expect(own.withUnsafeBytes(Array.init) == expected.withUnsafeBytes(Array.init))
                }
            }
        }
    }

    @Test(
        "A product is the integer sum times two scales, the same bits everywhere", arguments: InstructionSet.supported)
    func productIsExact(instructionSet: InstructionSet) {
        let kernels = Kernels(instructionSet)
        for (rows, columns) in Self.shapes {
            let matrix = RoundedMatrix(randomActivations(rows * columns, seed: 62), rows: rows, columns: columns)
            let tokens = 33
            let groups = kernels.quantizeTokens(randomActivations(tokens * columns, seed: 63), columns: columns)
            let each = groups.count / tokens
            let y = kernels.multiply(matrix.matrix, groups, tokens: tokens)
            for row in 0..<rows {
                let values = matrix.row(row)
                let scale = (matrix.source[row * columns..<(row + 1) * columns].map(\.magnitude).max() ?? 0) / 127
                let weights = values.map { Int(($0 / scale).rounded()) }
                for token in 0..<tokens {
                    let own = groups[token * each..<(token + 1) * each]
                    let sum = zip(weights, codes(own)).reduce(0) { $0 + $1.0 * $1.1 }
                    #expect(y[token * rows + row] == Float(sum) * (scale * own[own.startIndex].scale))
                }
            }
            #expect(bitPatterns(Kernels(.generic).multiply(matrix.matrix, groups, tokens: tokens)) == bitPatterns(y))
            for count in [1, 2, 3, 4, 7, 12] {
                let fewer = kernels.multiply(matrix.matrix, Array(groups.prefix(count * each)), tokens: count)
                #expect(bitPatterns(fewer) == bitPatterns(y.prefix(count * rows)))
            }
        }
    }

    @Test("With float32 activations a product is that of the rounded weights", arguments: InstructionSet.supported)
    func floatProduct(instructionSet: InstructionSet) {
        for (rows, columns) in Self.shapes {
            let matrix = RoundedMatrix(randomActivations(rows * columns, seed: 64), rows: rows, columns: columns)
            let x = randomActivations(3 * columns, seed: 65)
            let y = Kernels(instructionSet).multiplyFloat(matrix.matrix, x, tokens: 3)
            for token in 0..<3 {
                for row in 0..<rows {
                    let terms = zip(matrix.row(row), x[token * columns..<(token + 1) * columns]).map {
                        Double($0) * Double($1)
                    }
                    let magnitude = terms.reduce(0) { $0 + $1.magnitude }
                    let error = (Double(y[token * rows + row]) - terms.reduce(0, +)).magnitude
                    #expect(error <= LinearMultiplyTests.unit * Double(columns / 2 + 5) * magnitude)
                }
            }
        }
    }

    @Test("The widest row of the largest codes does not overflow", arguments: InstructionSet.supported)
    func widestRow(instructionSet: InstructionSet) {
        let columns = 1 << 17
        for (weight, x): (Float, Float) in [(1, 1), (-1, 1), (-1, -1)] {
            let matrix = RoundedMatrix([Float](repeating: weight * 127, count: columns), rows: 1, columns: columns)
            let kernels = Kernels(instructionSet)
            let groups = kernels.quantizeTokens([Float](repeating: x * 127, count: columns), columns: columns)
            #expect(kernels.multiply(matrix.matrix, groups, tokens: 1) == [weight * x * Float(columns * 127 * 127)])
        }
    }

    @Test("A NaN makes its own token's outputs NaN and no others", arguments: InstructionSet.supported)
    func nonFinite(instructionSet: InstructionSet) {
        let kernels = Kernels(instructionSet)
        let matrix = RoundedMatrix(randomActivations(20 * 70, seed: 66), rows: 20, columns: 70)
        for bad in [Float.nan, .infinity, -.infinity] {
            for limit: Float in [0, 1] {
                var x = randomActivations(3 * 70, seed: 67)
                x[70 + 69] = bad
                let y = kernels.multiply(
                    matrix.matrix, kernels.quantizeTokens(x, columns: 70, limit: limit), tokens: 3)
                #expect(y[20..<40].allSatisfy { $0.isNaN })
                #expect((y[..<20] + y[40...]).allSatisfy { $0.isFinite })
            }
        }
    }
}

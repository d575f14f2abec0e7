import CKvasir
import KvasirNumerics
import Testing

struct LinearCase: CustomTestStringConvertible {
    let format: WeightFormat
    let instructionSet: InstructionSet
    var testDescription: String { "\(format) \(instructionSet)" }

    static let quantized = WeightFormat.quantized.flatMap { format in
        InstructionSet.supported.map { LinearCase(format: format, instructionSet: $0) }
    }
    static let all = WeightFormat.allCases.flatMap { format in
        InstructionSet.supported.map { LinearCase(format: format, instructionSet: $0) }
    }
}

@Suite("Linear kernels")
struct LinearMultiplyTests {
    /// Half the distance of 1 to the next float32: the largest relative error of one rounding.
    static let unit = 0x1p-24

    /// Rows from 1 up, on both sides of a tile; columns of one block up to those of a large layer.
    static func shapes(_ format: WeightFormat) -> [(rows: Int, columns: Int)] {
        let small = format.block.values == 256 ? 256 : 32
        return [(1, small), (16, 2 * small), (17, 768), (53, 512), (192, 1536), (576, 256)]
    }

    /// The dot product of some rows with one token in double precision, and the sum of the magnitudes in it.
    static func reference(_ weights: [ReferenceWeight], _ x: ArraySlice<Double>) -> (Double, Double) {
        var sum = 0.0
        var magnitude = 0.0
        for (weight, x) in zip(weights, x) {
            sum += weight.exact * x
            magnitude += weight.magnitude * x.magnitude
        }
        return (sum, magnitude)
    }

    static func sampledRows(_ rows: Int) -> [Int] { Set([0, 1, 7, 15, 16, rows / 2, rows - 1]).filter { $0 < rows } }

    @Test("With 8-bit activations a product is the exact one up to float32 rounding", arguments: LinearCase.quantized)
    func integerProductIsAccurate(test: LinearCase) {
        let kernels = Kernels(test.instructionSet)
        for (rows, columns) in Self.shapes(test.format) {
            let packed = PackedMatrix(test.format, rows: rows, columns: columns, seed: UInt64(rows))
            let tokens = 7
            let groups = kernels.quantize(randomActivations(tokens * columns, seed: 5))
            let x = groups.flatMap { group in
                withUnsafeBytes(of: group.codes) { codes in
                    codes.map { Double(group.scale) * Double(Int8(bitPattern: $0)) }
                }
            }
            let y = kernels.multiply(packed.matrix, groups, tokens: tokens)
            // Integer sums are exact. Per group: conversion, product of two scales, up to two roundings of the sum and
            // those inside the minimum's product; Q6_K has two such halves.
            let tolerance = Self.unit * Double(8 * columns / 32 + 8)
            for row in Self.sampledRows(rows) {
                let weights = packed.row(row)
                for token in 0..<tokens {
                    let (sum, magnitude) = Self.reference(weights, x[token * columns..<(token + 1) * columns])
                    #expect((Double(y[token * rows + row]) - sum).magnitude <= tolerance * magnitude)
                }
            }
        }
    }

    @Test("With float32 activations a product is the exact one up to float32 rounding", arguments: LinearCase.all)
    func floatProductIsAccurate(test: LinearCase) {
        let kernels = Kernels(test.instructionSet)
        let odd: [(rows: Int, columns: Int)] = test.format.block.values == 1 ? [(5, 1), (18, 67), (33, 129)] : []
        for (rows, columns) in Self.shapes(test.format) + odd {
            let packed = PackedMatrix(test.format, rows: rows, columns: columns, seed: UInt64(rows + 1))
            let tokens = 3
            let x = randomActivations(tokens * columns, seed: 6)
            let y = kernels.multiplyFloat(packed.matrix, x, tokens: tokens)
            // Two chains of columns / 2 additions each; a product is rounded before it is added where there is no FMA.
            let tolerance = Self.unit * Double(columns / 2 + 5)
            for row in Self.sampledRows(rows) {
                let weights = packed.row(row)
                for token in 0..<tokens {
                    let values = x[token * columns..<(token + 1) * columns].map(Double.init)
                    let (sum, magnitude) = Self.reference(weights, values[...])
                    #expect((Double(y[token * rows + row]) - sum).magnitude <= tolerance * magnitude)
                }
            }
        }
    }

    @Test("A token's outputs do not depend on the tokens beside it", arguments: LinearCase.all)
    func tokensAreIndependent(test: LinearCase) {
        let kernels = Kernels(test.instructionSet)
        let (rows, columns, tokens) = (41, 512, 33)
        let packed = PackedMatrix(test.format, rows: rows, columns: columns, seed: 7)
        let x = randomActivations(tokens * columns, seed: 8)
        let groups = kernels.quantize(x)
        var alone: [Float] = []
        var aloneFloat: [Float] = []
        for token in 0..<tokens {
            let own = Array(groups[token * columns / 32..<(token + 1) * columns / 32])
            if test.format.block.values > 1 { alone += kernels.multiply(packed.matrix, own, tokens: 1) }
            let row = Array(x[token * columns..<(token + 1) * columns])
            aloneFloat += kernels.multiplyFloat(packed.matrix, row, tokens: 1)
        }
        for count in [2, 3, 7, 8, 12, 33] {
            let wide = kernels.multiplyFloat(packed.matrix, x, tokens: count)
            #expect(bitPatterns(wide) == bitPatterns(aloneFloat.prefix(count * rows)))
            guard test.format.block.values > 1 else { continue }
            let together = kernels.multiply(packed.matrix, groups, tokens: count)
            #expect(bitPatterns(together) == bitPatterns(alone.prefix(count * rows)))
        }
    }

    @Test("Ranges of tiles give the same outputs and touch no others", arguments: LinearCase.quantized)
    func tileRangesAreIndependent(test: LinearCase) {
        let kernels = Kernels(test.instructionSet)
        let (rows, columns, tokens, stride) = (70, 256, 5, 81)
        let packed = PackedMatrix(test.format, rows: rows, columns: columns, seed: 9)
        let groups = kernels.quantize(randomActivations(tokens * columns, seed: 10))
        let whole = kernels.multiply(packed.matrix, groups, tokens: tokens)
        var y = [Float](repeating: -7, count: tokens * stride)
        withUnsafePointer(to: packed.matrix) { matrix in
            for (begin, end) in [(4, 5), (0, 1), (1, 4)] {
                kernels.table.pointee.multiply(matrix, begin, end, groups, tokens, &y, stride)
            }
        }
        for token in 0..<tokens {
            let line = y[token * stride..<(token + 1) * stride]
            #expect(bitPatterns(line.prefix(rows)) == bitPatterns(whole[token * rows..<(token + 1) * rows]))
            #expect(line.dropFirst(rows).allSatisfy { $0 == -7 })
        }
    }

    @Test("Instruction sets agree up to the rounding of float32 sums", arguments: LinearCase.quantized)
    func agreesWithPortableKernel(test: LinearCase) {
        let (rows, columns, tokens) = (48, 512, 9)
        let packed = PackedMatrix(test.format, rows: rows, columns: columns, seed: 11)
        let groups = Kernels(.generic).quantize(randomActivations(tokens * columns, seed: 12))
        let expected = Kernels(.generic).multiply(packed.matrix, groups, tokens: tokens)
        let y = Kernels(test.instructionSet).multiply(packed.matrix, groups, tokens: tokens)
        let weights = (0..<rows).map { row in
            packed.row(row).reduce(0.0) { $0 + $1.magnitude }
        }
        // Activations are at most 2, so the magnitudes in a sum are at most twice those of the weights; both sides err
        // by the bound of the test against the exact product.
        let tolerance = 2 * 2 * Self.unit * Double(8 * columns / 32 + 8)
        for (index, (a, b)) in zip(y, expected).enumerated() {
            #expect(Double(a - b).magnitude <= tolerance * weights[index % rows])
        }
    }

    @Test("Codes at the ends of their range do not saturate", arguments: LinearCase.quantized)
    func extremeCodes(test: LinearCase) {
        let kernels = Kernels(test.instructionSet)
        // Every byte 0x00, 0x80 or 0xff makes codes extreme in one sense or the other; scales follow from the bytes.
        for fill: UInt8 in [0x00, 0x80, 0xff, 0x7f] {
            for sign: Float in [1, -1] {
                let columns = 256
                var source = [UInt8](repeating: fill, count: test.format.rowBytes(columns))
                let blocks = columns / test.format.block.values
                for index in 0..<blocks {
                    let at = index * test.format.block.bytes + (test.format == .q6_k ? 208 : 0)
                    (source[at], source[at + 1]) = (0x00, 0x3c)  // a scale of 1
                    guard test.format.hasMinimum else { continue }
                    (source[at + 2], source[at + 3]) = (0x00, 0xc0)  // a minimum of -2
                }
                let expected = (0..<columns).reduce(0.0) { sum, column in
                    let weight = test.format.weight(source[...], column: column)
                    return sum + Double(sign) * 127 * weight.exact
                }
                var packed = [UInt8](repeating: 0, count: kv_linear_packed_bytes(test.format.type, 1, columns))
                kv_linear_repack(test.format.type, source, source.count, 1, columns, 0, 1, &packed)
                let groups = kernels.quantize([Float](repeating: sign * 127, count: columns))
                let y = packed.withUnsafeBytes { bytes -> [Float] in
                    guard let base = bytes.baseAddress else { return [] }
                    let matrix = kv_linear_weight(type: test.format.type, rows: 1, columns: columns, packed: base)
                    return kernels.multiply(matrix, groups, tokens: 1)
                }
                // Small integers throughout: nothing is rounded.
                #expect(y == [Float(expected)])
            }
        }
    }
}

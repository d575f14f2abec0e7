import CKvasir
import KvasirNumerics
import Testing

@Suite("Packed linear weights")
struct LinearPackingTests {
    @Test("A packed row reads back as the weights of the file, bit for bit", arguments: WeightFormat.allCases)
    func rowsReadBackExactly(format: WeightFormat) {
        let columns = format == .f16 ? 83 : 768
        let packed = PackedMatrix(format, rows: 37, columns: columns, seed: 1)
        var values = [Float](repeating: 0, count: columns)
        for row in 0..<37 {
            withUnsafePointer(to: packed.matrix) { kv_linear_unpack_row($0, row, &values) }
            #expect(bitPatterns(values) == bitPatterns(packed.row(row).map(\.value)))
            var plain = [Float](repeating: 0, count: columns)
            let bytes = format.rowBytes(columns)
            #expect(kv_dequantize(format.type, Array(packed.source[row * bytes..<(row + 1) * bytes]), &plain, columns))
            #expect(bitPatterns(values) == bitPatterns(plain))
        }
    }

    @Test("The float32 kernel sees each weight exactly: a unit vector picks out its column")
    func unitVectorsPickColumns() {
        for format in WeightFormat.allCases {
            let packed = PackedMatrix(format, rows: 19, columns: 512, seed: 2)
            let rows = (0..<19).map { packed.row($0) }
            let columns = [0, 1, 3, 4, 15, 16, 31, 32, 130, 255, 256, 300, 511]
            var x = [Float](repeating: 0, count: columns.count * 512)
            for (token, column) in columns.enumerated() { x[token * 512 + column] = 1 }
            for instructionSet in InstructionSet.supported {
                let y = Kernels(instructionSet).multiplyFloat(packed.matrix, x, tokens: columns.count)
                for (token, column) in columns.enumerated() {
                    let expected = rows.map { $0[column].value }
                    #expect(Array(y[token * 19..<(token + 1) * 19]) == expected, "\(format), \(instructionSet)")
                }
            }
        }
    }

    @Test("Tiles packed in any order give the same bytes", arguments: WeightFormat.allCases)
    func tileRangesAreIndependent(format: WeightFormat) {
        let (rows, columns) = (70, 512)
        var generator = SeededGenerator(seed: 3)
        let source = format.randomMatrix(rows: rows, columns: columns, using: &generator)
        let size = kv_linear_packed_bytes(format.type, rows, columns)
        func pack(_ ranges: [Range<Int>]) -> [UInt8] {
            var packed = [UInt8](repeating: 0xee, count: size)
            for range in ranges {
                kv_linear_repack(
                    format.type, source, format.rowBytes(columns), rows, columns, range.lowerBound, range.upperBound,
                    &packed)
            }
            return packed
        }
        #expect(pack([0..<5]) == pack([3..<5, 0..<1, 1..<3]))
    }

    @Test("Packing costs at most an eighth of a bit per weight")
    func packedSizes() {
        for format in WeightFormat.allCases {
            let source = Double(format.rowBytes(768) * 64)
            let packed = Double(kv_linear_packed_bytes(format.type, 64, 768))
            #expect(packed >= source)
            #expect((packed - source) * 8 <= 64 * 768 / 8)
        }
    }

    @Test("Sizes of what cannot be packed are zero")
    func impossibleShapes() {
        #expect(kv_linear_packed_bytes(KV_WEIGHT_Q4_1, 16, 48) == 0)
        #expect(kv_linear_packed_bytes(KV_WEIGHT_Q4_K, 16, 32) == 0)
        #expect(kv_linear_packed_bytes(kv_weight_type(rawValue: 99), 16, 32) == 0)
        #expect(kv_linear_packed_bytes(KV_WEIGHT_F32, 1 << 40, 1 << 40) == 0)
        #expect(kv_linear_packed_bytes(KV_WEIGHT_F32, 17, 5) == 2 * 16 * 5 * 4)
    }
}

import CKvasir
import KvasirWeights
import Testing

/// Against the `gguf` package.
///
/// The comparison is of bits: every product of the formats is exact in binary32, so one
/// rounding is left, and that one is IEEE's. NaNs, which only blocks with an infinite scale give, are equal to NaNs.
@Suite struct DequantizeTests {
    private struct Vectors {
        let blocks: Int
        let packed: [UInt8]
        let values: [Float]

        init(_ type: TensorType) throws {
            let bytes = try Fixture.bytes("dequantize-\(type.name).bin")
            let blocks = Int(bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) })
            self.blocks = blocks
            let packedBytes = blocks * type.blockBytes
            try #require(bytes.count == 4 + packedBytes + blocks * type.blockValues * 4)
            packed = Array(bytes[4..<4 + packedBytes])
            values = bytes.withUnsafeBytes { raw in
                (0..<blocks * type.blockValues).map {
                    raw.loadUnaligned(fromByteOffset: 4 + packedBytes + 4 * $0, as: Float.self)
                }
            }
        }
    }

    private func expectSame(_ found: [Float], _ expected: [Float], _ comment: Comment) {
        let differing = zip(found, expected).enumerated().first { _, pair in
            pair.0.bitPattern != pair.1.bitPattern && !(pair.0.isNaN && pair.1.isNaN)
        }
        #expect(found.count == expected.count, comment)
        #expect(differing == nil, comment)
    }

    @Test(arguments: TensorType.allCases)
    func everyTypeEqualsTheReferenceBitForBit(_ type: TensorType) throws {
        let vectors = try Vectors(type)
        try #require(vectors.blocks >= 16)
        let storage = vectors.packed.withUnsafeBytes { WeightBuffer(copying: $0) }
        let tensor = try WeightTensor(
            name: "t", type: type, shape: [type.blockValues, vectors.blocks], storage: storage)
        expectSame(tensor.dequantized(), vectors.values, "\(type)")
    }

    @Test(arguments: TensorType.allCases)
    func packedDataMayStartAnywhereAndIsNotReadBeyondItsEnd(_ type: TensorType) throws {
        let vectors = try Vectors(type)
        for shift in [1, 2, 3] {
            // The guard page lies right behind the last block, whatever its size, so starts of all parities occur.
            let storage = try GuardedBytes([UInt8](repeating: 0xaa, count: shift) + vectors.packed)
            let tensor = try WeightTensor(
                name: "t", type: type, shape: [type.blockValues, vectors.blocks], storage: storage, offset: shift)
            expectSame(tensor.dequantized(), vectors.values, "\(type), shifted by \(shift)")
        }
        let odd = [0xaa] + vectors.packed + [0xaa]
        let values = odd.withUnsafeBytes { raw in
            [Float](unsafeUninitializedCapacity: vectors.values.count) { buffer, count in
                count = vectors.values.count
                #expect(
                    kv_dequantize(
                        kv_weight_type(rawValue: type.rawValue), raw.baseAddress.map { $0 + 1 }, buffer.baseAddress,
                        count))
            }
        }
        expectSame(values, vectors.values, "\(type), at an odd address")
    }

    @Test(arguments: TensorType.allCases)
    func aRangeOfRowsEqualsThatPartOfTheWhole(_ type: TensorType) throws {
        let vectors = try Vectors(type)
        let storage = vectors.packed.withUnsafeBytes { WeightBuffer(copying: $0) }
        let columns = 2 * type.blockValues
        let rows = vectors.blocks / 2
        let tensor = try WeightTensor(name: "t", type: type, shape: [columns, rows], storage: storage)
        #expect(tensor.rowBytes == 2 * type.blockBytes)
        for range in [0..<1, 3..<3, 1..<4, rows - 1..<rows, 0..<rows] {
            var found = [Float](repeating: -1, count: range.count * columns)
            found.withUnsafeMutableBufferPointer { tensor.dequantize(rows: range, into: $0) }
            expectSame(
                found, Array(vectors.values[range.lowerBound * columns..<range.upperBound * columns]), "\(range)")
        }
        var row = [Float](repeating: -1, count: columns)
        row.withUnsafeMutableBufferPointer { tensor.dequantizedRow(2, into: $0) }
        expectSame(row, Array(vectors.values[2 * columns..<3 * columns]), "row 2")
    }

    @Test func blockSizesAreGGMLs() {
        let sizes: [TensorType: (values: Int, bytes: Int)] = [
            .f32: (1, 4), .f16: (1, 2), .bf16: (1, 2), .q4_0: (32, 18), .q4_1: (32, 20), .q5_0: (32, 22),
            .q5_1: (32, 24), .q8_0: (32, 34), .q4_K: (256, 144), .q5_K: (256, 176), .q6_K: (256, 210),
        ]
        #expect(sizes.count == TensorType.allCases.count)
        for (type, size) in sizes {
            #expect(type.blockValues == size.values, "\(type)")
            #expect(type.blockBytes == size.bytes, "\(type)")
        }
    }

    @Test func unknownTypesAndPartialBlocksAreRefusedAndNothingIsWritten() {
        let packed = [UInt8](repeating: 0x3c, count: 512)
        var values = [Float](repeating: -7, count: 256)
        #expect(!kv_dequantize(kv_weight_type(rawValue: 10), packed, &values, 256))
        #expect(!kv_dequantize(kv_weight_type(rawValue: .max), packed, &values, 256))
        #expect(!kv_dequantize(KV_WEIGHT_Q4_1, packed, &values, 33))
        #expect(!kv_dequantize(KV_WEIGHT_Q6_K, packed, &values, 255))
        #expect(values.allSatisfy { $0 == -7 })
        #expect(kv_dequantize(KV_WEIGHT_Q4_1, packed, &values, 0))
        #expect(values.allSatisfy { $0 == -7 })
        #expect(kv_weight_block_bytes(kv_weight_type(rawValue: 10)) == 0)
        #expect(kv_weight_block_values(kv_weight_type(rawValue: 10)) == 0)
    }

    @Test func typesAreNamedAsGGMLNamesThem() {
        #expect(
            TensorType.allCases.map(\.name) == [
                "F32", "F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "BF16",
            ])
        #expect(TensorType.ggmlName(of: 17) == "IQ2_XS")
        #expect(TensorType.ggmlName(of: 39) == "MXFP4")
        #expect(TensorType.ggmlName(of: 4_000_000_000) == "type 4000000000")
    }
}

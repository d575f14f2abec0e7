import KvasirWeights
import Testing

@Suite struct WeightTensorTests {
    private let storage: WeightBuffer

    init() {
        storage = (0..<400).map { UInt8(truncatingIfNeeded: $0) }.withUnsafeBytes { WeightBuffer(copying: $0) }
    }

    @Test func rowsAreTheProductOfTheOuterDimensions() throws {
        let tensor = try WeightTensor(name: "t", type: .q8_0, shape: [32, 2, 3], storage: storage, offset: 5)
        #expect((tensor.columns, tensor.rows, tensor.rowBytes, tensor.byteCount) == (32, 6, 34, 204))
        #expect(tensor.byteRange == 5..<209)
        #expect([UInt8](tensor.bytes) == (5..<209).map { UInt8($0) })
        #expect(tensor.withUnsafeBytes { $0.first } == 5)
        tensor.releasePages()
        #expect(tensor.bytes.last == 208)
    }

    @Test func aScalarIsOneValue() throws {
        let tensor = try WeightTensor(name: "t", type: .f32, shape: [], storage: storage)
        #expect((tensor.columns, tensor.rows, tensor.byteCount) == (1, 1, 4))
        #expect(tensor.dequantized() == [Float(bitPattern: 0x0302_0100)])
    }

    @Test(arguments: [
        ([0], "shape [0] is impossible: dimension 0 is 0"),
        ([32, -1], "shape [32, -1] is impossible: dimension 1 is -1"),
        ([33], "shape [33] is impossible: its rows of 33 values do not divide into blocks of 32"),
        (
            [32, 1 << 40, 1 << 40],
            "shape [32, 1099511627776, 1099511627776] is impossible: "
                + "its size exceeds what this machine addresses"
        ),
        ([32, 1 << 57], "shape [32, 144115188075855872] is impossible: its size exceeds what this machine addresses"),
        ([32, 12], "needs 408 bytes from byte 0, but there are 400 in all"),
    ])
    func impossibleTensorsAreRefused(_ shape: [Int], _ problem: String) {
        let error = #expect(throws: WeightError.self) {
            try WeightTensor(name: "t", type: .q8_0, shape: shape, storage: storage)
        }
        #expect(error?.reason == .malformed)
        #expect(error?.problem == problem)
        #expect(error?.description.hasPrefix("tensor 't': \(problem); ") == true)
    }

    @Test(arguments: [-1, 367, 400, 401, Int.max]) func offsetsOutsideTheStorageAreRefused(_ offset: Int) {
        #expect(throws: WeightError.self) {
            try WeightTensor(name: "t", type: .q8_0, shape: [32], storage: storage, offset: offset)
        }
    }
}

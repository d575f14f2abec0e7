import CKvasir
import KvasirNumerics
import Testing

/// A weight as its scaled code plus its minimum, which most formats lack.
struct ReferenceWeight {
    let scaled: Float
    let minimum: Float?

    init(_ scaled: Float, _ minimum: Float? = nil) {
        self.scaled = scaled
        self.minimum = minimum
    }

    var value: Float { minimum.map { scaled + $0 } ?? scaled }
    var exact: Double { Double(scaled) + Double(minimum ?? 0) }
    var magnitude: Double { Double(scaled.magnitude) + Double(minimum?.magnitude ?? 0) }
}

/// The formats linear layers take, with a reader of single weights that shares nothing with the kernels.
enum WeightFormat: String, CaseIterable, CustomTestStringConvertible {
    case f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k

    static let quantized: [WeightFormat] = [.q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q4_k, .q5_k, .q6_k]

    var testDescription: String { rawValue }

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
        case .q4_k: KV_WEIGHT_Q4_K
        case .q5_k: KV_WEIGHT_Q5_K
        case .q6_k: KV_WEIGHT_Q6_K
        }
    }

    /// Values and bytes of a block.
    var block: (values: Int, bytes: Int) {
        switch self {
        case .f32: (1, 4)
        case .f16, .bf16: (1, 2)
        case .q4_0: (32, 18)
        case .q4_1: (32, 20)
        case .q5_0: (32, 22)
        case .q5_1: (32, 24)
        case .q8_0: (32, 34)
        case .q4_k: (256, 144)
        case .q5_k: (256, 176)
        case .q6_k: (256, 210)
        }
    }

    func rowBytes(_ columns: Int) -> Int { columns / block.values * block.bytes }

    /// A random matrix: any bytes as codes, scales of ordinary size and either sign.
    func randomMatrix(rows: Int, columns: Int, using generator: inout some RandomNumberGenerator) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(rows * rowBytes(columns))
        func append(_ bits: UInt16) {
            bytes.append(UInt8(truncatingIfNeeded: bits))
            bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
        }
        // A half of 2^-7 up to 2^-6, or its bfloat16 twin.
        func half() -> UInt16 { 0x2000 | UInt16.random(in: 0...0x3ff, using: &generator) | sign() }
        func sign() -> UInt16 { Bool.random(using: &generator) ? 0x8000 : 0 }
        for _ in 0..<rows * (columns / block.values) {
            switch self {
            case .f32:
                let bits = Float.random(in: -1...1, using: &generator).bitPattern
                append(UInt16(truncatingIfNeeded: bits))
                append(UInt16(truncatingIfNeeded: bits >> 16))
            case .f16: append(half())
            case .bf16: append(0x3c00 | UInt16.random(in: 0...0x1ff, using: &generator) | sign())
            default:
                let scaleAtEnd = self == .q6_k
                let heads = hasMinimum ? 2 : 1
                if !scaleAtEnd { for _ in 0..<heads { append(half()) } }
                for _ in 0..<block.bytes - 2 * heads { bytes.append(.random(in: 0...255, using: &generator)) }
                if scaleAtEnd { append(half()) }
            }
        }
        return bytes
    }

    /// Whether a block has a minimum beside its scale.
    var hasMinimum: Bool {
        switch self {
        case .q4_1, .q5_1, .q4_k, .q5_k: true
        default: false
        }
    }

    /// One weight of a row.
    func weight(_ bytes: ArraySlice<UInt8>, column: Int) -> ReferenceWeight {
        let start = bytes.startIndex + column / block.values * block.bytes
        let i = column % block.values
        func byte(_ offset: Int) -> Int { Int(bytes[start + offset]) }
        func bits(_ offset: Int) -> UInt16 { UInt16(byte(offset)) | UInt16(byte(offset + 1)) << 8 }
        func half(_ offset: Int) -> Float { kv_f16_to_f32(bits(offset)) }
        func nibble(_ offset: Int) -> Int { (byte(offset + i % 16) >> (i < 16 ? 0 : 4)) & 15 }
        func fifth(_ offset: Int) -> Int { ((byte(offset + i / 8) >> (i % 8)) & 1) << 4 }
        switch self {
        case .f32: return ReferenceWeight(Float(bitPattern: UInt32(bits(0)) | UInt32(bits(2)) << 16))
        case .f16: return ReferenceWeight(half(0))
        case .bf16: return ReferenceWeight(Float(bitPattern: UInt32(bits(0)) << 16))
        case .q4_0: return ReferenceWeight(half(0) * Float(nibble(2) - 8))
        case .q4_1: return ReferenceWeight(half(0) * Float(nibble(4)), half(2))
        case .q5_0: return ReferenceWeight(half(0) * Float((nibble(6) | fifth(2)) - 16))
        case .q5_1: return ReferenceWeight(half(0) * Float(nibble(8) | fifth(4)), half(2))
        case .q8_0: return ReferenceWeight(half(0) * Float(Int8(truncatingIfNeeded: byte(2 + i))))
        case .q4_k, .q5_k:
            let group = i / 32
            let codes = self == .q4_k ? 16 : 48
            var code = (byte(codes + group / 2 * 32 + i % 32) >> (group % 2 * 4)) & 15
            if self == .q5_k { code |= ((byte(16 + i % 32) >> group) & 1) << 4 }
            // Twelve bytes hold eight 6-bit scales and minima: the last four in pieces.
            let scale: Int
            let minimum: Int
            if group < 4 {
                scale = byte(4 + group) & 63
                minimum = byte(8 + group) & 63
            } else {
                scale = byte(8 + group) & 15 | (byte(group) >> 6) << 4
                minimum = byte(8 + group) >> 4 | (byte(4 + group) >> 6) << 4
            }
            return ReferenceWeight(half(0) * Float(scale) * Float(code), -(half(2) * Float(minimum)))
        case .q6_k:
            let (side, place) = (i / 128, i % 128)
            let low = (byte(side * 64 + place % 64) >> (place < 64 ? 0 : 4)) & 15
            let high = (byte(128 + side * 32 + place % 32) >> (place / 32 * 2)) & 3
            let scale = Int8(truncatingIfNeeded: byte(192 + i / 16))
            return ReferenceWeight(half(208) * Float(scale) * Float((low | high << 4) - 32))
        }
    }
}

/// A random matrix in its file form and packed.
struct PackedMatrix: ~Copyable {
    let format: WeightFormat
    let rows: Int
    let columns: Int
    let source: [UInt8]
    private let packed: AlignedBuffer<UInt8>

    init(_ format: WeightFormat, rows: Int, columns: Int, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        self.format = format
        self.rows = rows
        self.columns = columns
        source = format.randomMatrix(rows: rows, columns: columns, using: &generator)
        packed = AlignedBuffer(zeroed: kv_linear_packed_bytes(format.type, rows, columns))
        // One byte off any alignment, as a tensor in a file may be.
        let shifted = [0] + source
        shifted.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            kv_linear_repack(
                format.type, base + 1, format.rowBytes(columns), rows, columns, 0, kv_linear_tiles(rows),
                packed.pointer)
        }
    }

    var matrix: kv_linear_weight {
        kv_linear_weight(type: format.type, rows: rows, columns: columns, packed: UnsafeRawPointer(packed.pointer))
    }

    func row(_ row: Int) -> [ReferenceWeight] {
        let bytes = source[row * format.rowBytes(columns)..<(row + 1) * format.rowBytes(columns)]
        return (0..<columns).map { format.weight(bytes, column: $0) }
    }
}

/// The kernels of one instruction set, on arrays.
struct Kernels {
    let table: UnsafePointer<kv_linear_kernels>

    init(_ instructionSet: InstructionSet) {
        table = kv_linear_kernels_for(kv_isa(rawValue: instructionSet.code))
    }

    func quantize(_ x: [Float]) -> [kv_activation_group] {
        var groups = [kv_activation_group](repeating: kv_activation_group(), count: x.count / 32)
        groups.withUnsafeMutableBufferPointer { groups in
            if let base = groups.baseAddress { table.pointee.quantize(x, x.count, base) }
        }
        return groups
    }

    func multiply(_ matrix: kv_linear_weight, _ activations: [kv_activation_group], tokens: Int) -> [Float] {
        run(matrix, tokens: tokens) { matrix, tiles, y in
            table.pointee.multiply(matrix, 0, tiles, activations, tokens, y, matrix.pointee.rows)
        }
    }

    func multiplyFloat(_ matrix: kv_linear_weight, _ x: [Float], tokens: Int) -> [Float] {
        run(matrix, tokens: tokens) { matrix, tiles, y in
            table.pointee.multiply_f32(
                matrix, 0, tiles, x, matrix.pointee.columns, tokens, y, matrix.pointee.rows)
        }
    }

    private func run(
        _ matrix: kv_linear_weight, tokens: Int,
        _ body: (UnsafePointer<kv_linear_weight>, Int, UnsafeMutablePointer<Float>) -> Void
    ) -> [Float] {
        var y = [Float](repeating: .nan, count: tokens * matrix.rows)
        withUnsafePointer(to: matrix) { matrix in
            y.withUnsafeMutableBufferPointer { y in
                if let base = y.baseAddress { body(matrix, kv_linear_tiles(matrix.pointee.rows), base) }
            }
        }
        return y
    }
}

func randomActivations(_ count: Int, seed: UInt64) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float.random(in: -2...2, using: &generator) }
}

func bitPatterns(_ values: some Sequence<Float>) -> [UInt32] { values.map(\.bitPattern) }

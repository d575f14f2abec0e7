internal import CKvasir

/// A format in which a file stores the values of a tensor; the raw value is ggml's type number.
///
/// The formats with more than one value per block hold, per block, binary16 scales and one small integer code per value.
/// `Q4_0` to `Q8_0` have blocks of 32 values, the K formats blocks of 256 with scaled sub-blocks.
public enum TensorType: UInt32, Sendable, Hashable, CaseIterable {
    /// IEEE binary32.
    case f32 = 0
    /// IEEE binary16.
    case f16 = 1
    /// 4-bit codes around a centre, one scale: 4.5 bits per value.
    case q4_0 = 2
    /// 4-bit codes above a minimum, scale and minimum: 5 bits per value.
    case q4_1 = 3
    /// 5-bit codes around a centre, one scale: 5.5 bits per value.
    case q5_0 = 6
    /// 5-bit codes above a minimum, scale and minimum: 6 bits per value.
    case q5_1 = 7
    /// Signed 8-bit codes, one scale: 8.5 bits per value.
    case q8_0 = 8
    /// 4-bit codes with 6-bit scales and minima per 32 values: 4.5 bits per value.
    case q4_K = 12
    /// 5-bit codes with 6-bit scales and minima per 32 values: 5.5 bits per value.
    case q5_K = 13
    /// 6-bit codes with 8-bit scales per 16 values: 6.5625 bits per value.
    case q6_K = 14
    /// The upper half of a binary32.
    case bf16 = 30

    /// Values per block; 1 for the float formats.
    public var blockValues: Int { Int(kv_weight_block_values(code)) }

    /// Bytes per block.
    public var blockBytes: Int { Int(kv_weight_block_bytes(code)) }

    /// The format's name as ggml spells it, such as `Q4_1`.
    public var name: String { Self.ggmlName(of: rawValue) }

    /// The number by which the C kernels know the format.
    var code: kv_weight_type { kv_weight_type(rawValue: rawValue) }
}

extension TensorType: CustomStringConvertible {
    /// The format's name as ggml spells it.
    public var description: String { name }
}

extension TensorType {
    /// Returns the name of ggml's type number `id`, supported here or not, or `type 99` if it is none.
    public static func ggmlName(of id: UInt32) -> String {
        ggmlNames[id] ?? "type \(id)"
    }

    // The numbers as ggml's header assigns them. 4, 5, 31 to 33 and 36 to 38 were withdrawn; old files carry them.
    private static let ggmlNames: [UInt32: String] = [
        0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 4: "Q4_2", 5: "Q4_3", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1",
        10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS",
        18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16",
        26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16", 31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8",
        34: "TQ1_0", 35: "TQ2_0", 36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8", 39: "MXFP4", 40: "NVFP4",
        41: "Q1_0",
    ]
}

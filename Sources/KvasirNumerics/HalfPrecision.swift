internal import CKvasir

/// 16-bit floats (IEEE binary16) as bit patterns: Swift's own type is missing on some platforms.
public enum HalfPrecision {
    /// The nearest 16-bit float; beyond the range infinity.
    public static func bits(_ value: Float) -> UInt16 { kv_f32_to_f16(value) }

    /// The value of a 16-bit float.
    public static func value(_ bits: UInt16) -> Float { kv_f16_to_f32(bits) }

    /// The value as a 16-bit float of which all but the first bits are lost and taken as half of their range.
    ///
    /// - Parameter count: bits that are kept, sign and exponent included: 6 to 16.
    public static func truncated(_ value: Float, toBits count: Int) -> Float {
        precondition((6...16).contains(count), "sign and exponent are kept, and there are 16 bits")
        guard count < 16 else { return self.value(bits(value)) }
        let lost = UInt16(16 - count)
        return self.value(bits(value) & ~(1 << lost - 1) | 1 << (lost - 1))
    }
}

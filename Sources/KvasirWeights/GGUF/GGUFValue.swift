/// A metadata value of a GGUF file, in the type the file gives it.
public enum GGUFValue: Sendable, Hashable {
    /// An unsigned 8-bit integer.
    case uint8(UInt8)
    /// A signed 8-bit integer.
    case int8(Int8)
    /// An unsigned 16-bit integer.
    case uint16(UInt16)
    /// A signed 16-bit integer.
    case int16(Int16)
    /// An unsigned 32-bit integer.
    case uint32(UInt32)
    /// A signed 32-bit integer.
    case int32(Int32)
    /// An unsigned 64-bit integer.
    case uint64(UInt64)
    /// A signed 64-bit integer.
    case int64(Int64)
    /// An IEEE binary32.
    case float32(Float)
    /// An IEEE binary64.
    case float64(Double)
    /// A truth value.
    case bool(Bool)
    /// The bytes of a string, which need not be valid UTF-8.
    case string([UInt8])
    /// Values of one type.
    case array(GGUFArray)
}

/// An array of metadata values of one type.
public indirect enum GGUFArray: Sendable, Hashable {
    /// Unsigned 8-bit integers.
    case uint8([UInt8])
    /// Signed 8-bit integers.
    case int8([Int8])
    /// Unsigned 16-bit integers.
    case uint16([UInt16])
    /// Signed 16-bit integers.
    case int16([Int16])
    /// Unsigned 32-bit integers.
    case uint32([UInt32])
    /// Signed 32-bit integers.
    case int32([Int32])
    /// Unsigned 64-bit integers.
    case uint64([UInt64])
    /// Signed 64-bit integers.
    case int64([Int64])
    /// IEEE binary32 numbers.
    case float32([Float])
    /// IEEE binary64 numbers.
    case float64([Double])
    /// Truth values.
    case bool([Bool])
    /// Strings of bytes.
    case string(GGUFStrings)
    /// Arrays, each with its own type and count.
    case array([GGUFArray])

    /// The number of elements.
    public var count: Int {
        switch self {
        case .uint8(let values): values.count
        case .int8(let values): values.count
        case .uint16(let values): values.count
        case .int16(let values): values.count
        case .uint32(let values): values.count
        case .int32(let values): values.count
        case .uint64(let values): values.count
        case .int64(let values): values.count
        case .float32(let values): values.count
        case .float64(let values): values.count
        case .bool(let values): values.count
        case .string(let values): values.count
        case .array(let values): values.count
        }
    }

    var type: GGUFValueType {
        switch self {
        case .uint8: .uint8
        case .int8: .int8
        case .uint16: .uint16
        case .int16: .int16
        case .uint32: .uint32
        case .int32: .int32
        case .uint64: .uint64
        case .int64: .int64
        case .float32: .float32
        case .float64: .float64
        case .bool: .bool
        case .string: .string
        case .array: .array
        }
    }
}

extension GGUFValue {
    /// The value of any of the integer types, or nil if it is of another type or 2^63 and above.
    public var integer: Int? {
        switch self {
        case .uint8(let value): Int(value)
        case .int8(let value): Int(value)
        case .uint16(let value): Int(value)
        case .int16(let value): Int(value)
        case .uint32(let value): Int(value)
        case .int32(let value): Int(value)
        case .uint64(let value): Int(exactly: value)
        case .int64(let value): Int(value)
        default: nil
        }
    }

    /// The type, in words for a message: `uint32`, `array of 3 string`.
    public var typeName: String {
        switch self {
        case .uint8: GGUFValueType.uint8.name
        case .int8: GGUFValueType.int8.name
        case .uint16: GGUFValueType.uint16.name
        case .int16: GGUFValueType.int16.name
        case .uint32: GGUFValueType.uint32.name
        case .int32: GGUFValueType.int32.name
        case .uint64: GGUFValueType.uint64.name
        case .int64: GGUFValueType.int64.name
        case .float32: GGUFValueType.float32.name
        case .float64: GGUFValueType.float64.name
        case .bool: GGUFValueType.bool.name
        case .string: GGUFValueType.string.name
        case .array(let array): "array of \(array.count) \(array.type.name)"
        }
    }
}

/// The numbers by which a GGUF file names the types of its metadata values.
enum GGUFValueType: UInt32, Sendable, Hashable, CaseIterable {
    case uint8 = 0
    case int8 = 1
    case uint16 = 2
    case int16 = 3
    case uint32 = 4
    case int32 = 5
    case float32 = 6
    case bool = 7
    case string = 8
    case array = 9
    case uint64 = 10
    case int64 = 11
    case float64 = 12

    var name: String { "\(self)" }

    /// The fewest bytes an element of this type takes in a file; bounds a count before anything is allocated for it.
    var minimumBytes: Int {
        switch self {
        case .uint8, .int8, .bool: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        case .string: 8  // its length
        case .array: 12  // its type and count
        }
    }
}

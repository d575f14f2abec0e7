/// Goes through the fields of a protobuf message, in place.
///
/// Source: the encoding's description, https://protobuf.dev/programming-guides/encoding
struct ProtobufReader {
    /// A field's contents by its wire type.
    enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        case bytes(UnsafeRawBufferPointer)
        case fixed32(UInt32)
    }

    private let message: UnsafeRawBufferPointer
    private var offset = 0

    init(_ message: UnsafeRawBufferPointer) { self.message = message }

    /// The next field, or nil at the end of the message.
    mutating func next() throws(ProtobufError) -> (number: UInt64, value: Value)? {
        guard offset < message.count else { return nil }
        let tag = try varint()
        guard tag >> 3 > 0 else { throw ProtobufError(problem: "a field has the number 0") }
        switch tag & 7 {
        case 0: return (tag >> 3, .varint(try varint()))
        case 1: return (tag >> 3, .fixed64(try take(8).loadUnaligned(as: UInt64.self)))
        case 2:
            let length = try varint()
            guard length <= message.count - offset else { throw .truncated }
            return (tag >> 3, .bytes(try take(Int(length))))
        case 5: return (tag >> 3, .fixed32(try take(4).loadUnaligned(as: UInt32.self)))
        default: throw ProtobufError(problem: "a field is of the unknown wire type \(tag & 7)")
        }
    }

    private mutating func take(_ count: Int) throws(ProtobufError) -> UnsafeRawBufferPointer {
        guard count <= message.count - offset else { throw .truncated }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: message[offset..<offset + count])
    }

    private mutating func varint() throws(ProtobufError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), through: 63, by: 7) {
            guard offset < message.count else { throw .truncated }
            let byte = message[offset]
            offset += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
        }
        throw ProtobufError(problem: "a number has more than 64 bits")
    }
}

/// Bytes that are no protobuf message.
struct ProtobufError: Error {
    let problem: String

    static var truncated: ProtobufError { ProtobufError(problem: "a field reaches beyond the end of its message") }
}

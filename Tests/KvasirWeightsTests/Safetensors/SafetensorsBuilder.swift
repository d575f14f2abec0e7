import Foundation

/// Writes safetensors bytes, right or wrong.
struct SafetensorsBuilder {
    var header: String
    var data: [UInt8]
    /// The header's length where it is to be a lie.
    var length: UInt64?

    init(_ header: String, data: Int = 0) {
        self.header = header
        self.data = (0..<data).map { UInt8(truncatingIfNeeded: $0) }
    }

    var bytes: [UInt8] {
        let header = Array(header.utf8)
        return withUnsafeBytes(of: (length ?? UInt64(header.count)).littleEndian) { Array($0) } + header + data
    }

    /// A header's member.
    static func tensor(_ name: String, _ type: String, _ shape: [Int], _ begin: Int, _ end: Int) -> String {
        "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":[\(begin),\(end)]}"
    }

    /// Two small tensors and metadata.
    static func sample() -> SafetensorsBuilder {
        var builder = SafetensorsBuilder(
            "{\"__metadata__\":{\"format\":\"pt\"},\(tensor("a.weight", "F32", [2, 3], 0, 24)),"
                + "\(tensor("b", "BF16", [2], 24, 28)),\(tensor("c", "F16", [], 28, 30))}  ")
        builder.data = (1...6).flatMap { value in withUnsafeBytes(of: Float(value)) { Array($0) } }
        builder.data += [0x80, 0x3f, 0x20, 0xc0, 0x00, 0x3c]
        return builder
    }
}

/// Writes GGUF bytes, right or wrong, and remembers where the fields are that say how much follows.
struct GGUFBuilder {
    /// A field that holds a count, length, type or offset.
    struct Field: Sendable {
        let name: String
        let offset: Int
        let width: Int
    }

    private(set) var bytes: [UInt8] = []
    private(set) var fields: [Field] = []

    init(magic: String = "GGUF", version: UInt32 = 3, tensors: UInt64, pairs: UInt64) {
        bytes += Array(magic.utf8)
        field("version", version)
        field("tensor count", tensors)
        field("key count", pairs)
    }

    mutating func raw<Number: BitwiseCopyable>(_ value: Number) {
        Swift.withUnsafeBytes(of: value) { bytes += Array($0) }
    }

    mutating func field<Number: FixedWidthInteger & BitwiseCopyable>(_ name: String, _ value: Number) {
        fields.append(Field(name: name, offset: bytes.count, width: Number.bitWidth / 8))
        raw(value.littleEndian)
    }

    mutating func string(_ name: String, _ value: [UInt8]) {
        field("length of \(name)", UInt64(value.count))
        bytes += value
    }

    /// The start of a pair; the value follows.
    mutating func key(_ key: String, type: UInt32) {
        string("key \(key)", Array(key.utf8))
        field("type of \(key)", type)
    }

    mutating func uint32(_ key: String, _ value: UInt32) {
        self.key(key, type: 4)
        raw(value.littleEndian)
    }

    mutating func string(key: String, _ value: [UInt8]) {
        self.key(key, type: 8)
        string("value of \(key)", value)
    }

    /// The start of an array inside a value; the elements follow.
    mutating func array(_ name: String, type: UInt32, count: UInt64) {
        field("element type of \(name)", type)
        field("element count of \(name)", count)
    }

    mutating func tensor(_ name: String, shape: [UInt64], type: UInt32 = 0, offset: UInt64) {
        string("tensor \(name)", Array(name.utf8))
        field("\(name) dimension count", UInt32(shape.count))
        for (index, dimension) in shape.enumerated() { field("\(name) dimension \(index)", dimension) }
        field("\(name) type", type)
        field("\(name) offset", offset)
    }

    mutating func pad(to alignment: Int = 32) {
        while bytes.count % alignment != 0 { bytes.append(0) }
    }

    mutating func data(_ count: Int) {
        for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: index &* 7)) }
    }

    /// A valid file with every kind of value, three tensors and data that end with the last tensor.
    static func sample() -> GGUFBuilder {
        var file = GGUFBuilder(tensors: 3, pairs: 7)
        file.uint32("general.alignment", 32)
        file.string(key: "general.architecture", Array("llama".utf8))
        file.key("flags", type: 9)
        file.array("flags", type: 7, count: 3)
        file.bytes += [0, 1, 1]
        file.key("words", type: 9)
        file.array("words", type: 8, count: 3)
        for word in [[0x61], [], [0xff, 0xfe]] as [[UInt8]] { file.string("element of words", word) }
        file.key("numbers", type: 9)
        file.array("numbers", type: 5, count: 4)
        for number in 0..<4 as Range<Int32> { file.raw(number.littleEndian) }
        file.key("nested", type: 9)
        file.array("nested", type: 9, count: 2)
        file.array("nested 0", type: 0, count: 2)
        file.bytes += [1, 2]
        file.array("nested 1", type: 8, count: 1)
        file.string("element of nested 1", Array("x".utf8))
        file.key("scale", type: 12)
        file.raw(0.25)
        file.tensor("a", shape: [4, 2], offset: 0)
        file.tensor("b", shape: [32, 3], type: 3, offset: 32)
        file.tensor("c", shape: [5], type: 1, offset: 96)
        file.pad()
        file.data(96 + 10)
        return file
    }
}

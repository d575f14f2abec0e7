/// Everything a GGUF file says before its tensor data, checked against the file's size.
///
/// The format: magic, version, tensor count, key count; the key-value pairs; per tensor a name, dimensions, type and
/// offset; padding to the alignment; the tensor data. Versions 2 and 3 differ in that 3 may be big-endian.
struct GGUFHeader {
    /// A line of the tensor table; `dataOffset` counts from the start of the file.
    struct Tensor {
        let name: String
        let type: TensorType
        let shape: [Int]
        let layout: TensorLayout
        let dataOffset: Int
        /// Where the line begins, for messages.
        let lineOffset: Int

        var dataEnd: Int { dataOffset + layout.byteCount }
        var field: String { "tensor \(quoted(name))" }
    }

    private(set) var version: UInt32 = 0
    private(set) var alignment = 32
    private(set) var metadata: GGUFMetadata
    private(set) var tensors: [Tensor] = []

    init(_ storage: any WeightStorage, path: String) throws(GGUFError) {
        metadata = GGUFMetadata(path: path)
        var cursor = GGUFCursor(storage, path: path)
        try readMagic(&cursor)
        // A tensor line takes at least a name length, a dimension count, a type and an offset; a pair at least a key
        // length, a type and one byte.
        let tensorCount = try cursor.count(minimumBytes: 24, "tensor count")
        let pairCount = try cursor.count(minimumBytes: 13, "key count")
        for index in 0..<pairCount { try readPair(&cursor, index) }

        var lines: [TensorLine] = []
        for index in 0..<tensorCount { lines.append(try TensorLine(&cursor, index)) }
        tensors = try place(lines, &cursor)
        try checkNames(cursor)
        try checkOverlap(cursor)
    }

    private mutating func readMagic(_ cursor: inout GGUFCursor) throws(GGUFError) {
        guard !cursor.bytes.isEmpty else { throw cursor.error(.notGGUF, "magic", at: 0, "the file is empty") }
        let found = cursor.bytes.prefix(4)
        guard found.elementsEqual("GGUF".utf8.prefix(found.count)) else {
            let hex = found.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
            throw cursor.error(.notGGUF, "magic", at: 0, "expected 47 47 55 46 ('GGUF'), found \(hex)")
        }
        _ = try cursor.number(UInt32.self, "magic")
        version = try cursor.number(UInt32.self, "version")
        // A version fits in 16 bits; if the lower half is empty, the bytes are in the other order.
        guard version == 0 || version & 0xffff != 0 else {
            throw cursor.error(
                .unsupportedByteOrder, "version", at: 4, "the file is big-endian (version \(version.byteSwapped))")
        }
        guard version == 2 || version == 3 else {
            throw cursor.error(.unsupportedVersion, "version", at: 4, "version \(version) is not 2 or 3")
        }
    }

    private mutating func readPair(_ cursor: inout GGUFCursor, _ index: Int) throws(GGUFError) {
        let start = cursor.offset
        let key = try cursor.name("key \(index)")
        let valueStart = cursor.offset
        let value = try cursor.value("value of key \(quoted(key))")
        guard metadata.insert(value, forKey: key) else {
            throw cursor.error(.duplicate, "key \(quoted(key))", at: start, "appears twice")
        }
        if key == "general.alignment" {
            // The largest alignment in use is a page; more would let a header place its data anywhere.
            guard let found = value.integer, found > 0, found <= 65_536, found & (found - 1) == 0 else {
                throw cursor.error(
                    .malformed, "value of key \(quoted(key))", at: valueStart,
                    "expected a power of two up to 65536, found \(value.integer.map(String.init) ?? value.typeName)")
            }
            alignment = found
        }
    }

    private func place(_ lines: [TensorLine], _ cursor: inout GGUFCursor) throws(GGUFError) -> [Tensor] {
        guard !lines.isEmpty else { return [] }
        let end = cursor.bytes.count
        // Cannot overflow: both terms are far below the address space's half.
        let dataStart = (cursor.offset + alignment - 1) / alignment * alignment
        var tensors: [Tensor] = []
        tensors.reserveCapacity(lines.count)
        for line in lines {
            guard line.offset % UInt64(alignment) == 0 else {
                throw cursor.error(
                    .misaligned, "\(line.field) offset", at: line.offsetStart,
                    "is \(line.offset), not a multiple of the alignment \(alignment)")
            }
            guard
                let relative = Int(exactly: line.offset), dataStart <= end, relative <= end - dataStart,
                line.layout.byteCount <= end - dataStart - relative
            else {
                throw cursor.error(
                    .truncated, "\(line.field) offset", at: line.offsetStart,
                    "its \(line.layout.byteCount) bytes at \(line.offset) of the data (which start at byte \(dataStart))"
                        + " reach beyond the file's \(end) bytes")
            }
            tensors.append(
                Tensor(
                    name: line.name, type: line.type, shape: line.shape, layout: line.layout,
                    dataOffset: dataStart + relative, lineOffset: line.start))
        }
        return tensors
    }

    private func checkNames(_ cursor: GGUFCursor) throws(GGUFError) {
        var names: Set<String> = []
        for tensor in tensors where !names.insert(tensor.name).inserted {
            throw cursor.error(.duplicate, tensor.field, at: tensor.lineOffset, "appears twice")
        }
    }

    private func checkOverlap(_ cursor: GGUFCursor) throws(GGUFError) {
        let sorted = tensors.sorted { $0.dataOffset < $1.dataOffset }
        for (tensor, next) in zip(sorted, sorted.dropFirst()) where tensor.dataEnd > next.dataOffset {
            throw cursor.error(
                .overlap, next.field, at: next.lineOffset,
                "starts at byte \(next.dataOffset), before \(tensor.field) ends at byte \(tensor.dataEnd)")
        }
    }
}

/// A line of the tensor table as read, its place in the file not yet checked.
private struct TensorLine {
    let name: String
    let type: TensorType
    let shape: [Int]
    let layout: TensorLayout
    let offset: UInt64
    let start: Int
    let offsetStart: Int

    var field: String { "tensor \(quoted(name))" }

    init(_ cursor: inout GGUFCursor, _ index: Int) throws(GGUFError) {
        start = cursor.offset
        let name = try cursor.name("name of tensor \(index)")
        self.name = name
        let field = "tensor \(quoted(name))"

        let rankStart = cursor.offset
        let rank = try cursor.number(UInt32.self, "\(field) dimension count")
        guard rank <= 4 else {
            throw cursor.error(.malformed, "\(field) dimension count", at: rankStart, "is \(rank), more than 4")
        }
        let shapeStart = cursor.offset
        var shape: [Int] = []
        for dimension in 0..<Int(rank) {
            let start = cursor.offset
            let value = try cursor.number(UInt64.self, "\(field) dimension \(dimension)")
            guard let size = Int(exactly: value), size > 0 else {
                throw cursor.error(
                    .malformed, "\(field) dimension \(dimension)", at: start,
                    "is \(value), expected 1 to \(Int.max)")
            }
            shape.append(size)
        }
        self.shape = shape

        let typeStart = cursor.offset
        let id = try cursor.number(UInt32.self, "\(field) type")
        guard let type = TensorType(rawValue: id) else {
            throw cursor.error(
                .unsupportedTensorType, "\(field) type", at: typeStart,
                "tensor type \(TensorType.ggmlName(of: id)) is not supported")
        }
        self.type = type
        do {
            layout = try TensorLayout(type: type, shape: shape)
        } catch {
            throw cursor.error(
                .malformed, "\(field) dimensions", at: shapeStart, "\(shape) as \(type): \(error.text)")
        }
        offsetStart = cursor.offset
        offset = try cursor.number(UInt64.self, "\(field) offset")
    }
}

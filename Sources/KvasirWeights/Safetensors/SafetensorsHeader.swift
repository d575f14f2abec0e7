internal import KvasirJSON

/// Everything a safetensors file says before its tensor data, checked against the file's size.
///
/// The format: the header's length as 8 bytes, little-endian; the header, a JSON object with a member per tensor of type,
/// shape and two offsets into what follows; the data, every byte of which belongs to exactly one tensor.
/// Source: the format's own description, https://github.com/huggingface/safetensors#format
struct SafetensorsHeader {
    /// The reference implementation's limit, so that a lying length takes no time.
    private static let longestHeader = 100_000_000

    struct Tensor {
        let name: String
        let type: TensorType
        let shape: [Int]
        let layout: TensorLayout
        let dataOffset: Int
        /// Where its description begins, for messages.
        let lineOffset: Int

        var dataEnd: Int { dataOffset + layout.byteCount }
        var field: String { "tensor \(quoted(name))" }
    }

    private(set) var tensors: [Tensor] = []
    /// What the writer says of the file.
    private(set) var metadata: [String: String] = [:]
    private let path: String
    private let fileSize: Int
    private let dataStart: Int

    init(_ bytes: UnsafeRawBufferPointer, path: String) throws(SafetensorsError) {
        self.path = path
        fileSize = bytes.count
        guard bytes.count >= 8 else {
            throw SafetensorsError(
                path: path, reason: .notSafetensors, field: "header length", offset: 0,
                found: "the file has \(bytes.count) bytes, fewer than the 8 of a length")
        }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length >= 2, length <= Self.longestHeader else {
            throw SafetensorsError(
                path: path, reason: .notSafetensors, field: "header length", offset: 0,
                found: "is \(length), expected 2 to \(Self.longestHeader)")
        }
        guard Int(length) <= bytes.count - 8 else {
            throw SafetensorsError(
                path: path, reason: .truncated, field: "header length", offset: 0,
                found: "is \(length), but only \(bytes.count - 8) bytes follow")
        }
        dataStart = 8 + Int(length)
        guard bytes[8] == UInt8(ascii: "{") else {
            throw SafetensorsError(
                path: path, reason: .notSafetensors, field: "header", offset: 8, found: "does not begin with '{'")
        }
        do {
            try read(UnsafeRawBufferPointer(rebasing: bytes[..<dataStart]))
        } catch let error as JSONError {
            throw SafetensorsError(
                path: path, reason: .malformed, field: "header", offset: error.offset, found: error.problem)
        } catch let error as SafetensorsError {
            throw error
        } catch {
            preconditionFailure("reading throws nothing else: \(error)")
        }
        try checkPlaces()
    }

    private func error(
        _ reason: SafetensorsError.Reason, _ field: String, at offset: Int?, _ found: String
    ) -> SafetensorsError {
        SafetensorsError(path: path, reason: reason, field: field, offset: offset, found: found)
    }

    private mutating func read(_ header: UnsafeRawBufferPointer) throws {
        // A tensor's member holds one array in one object in the header's; more nesting is no safetensors.
        var reader = JSONReader(header, at: 8, maximumDepth: 4)
        var names: Set<String> = []
        try reader.beginObject()
        while let name = try reader.nextKey() {
            let start = reader.offset
            guard names.insert(name).inserted else {
                throw error(.duplicate, "tensor \(quoted(name))", at: start, "appears twice")
            }
            if name == "__metadata__" {
                try readMetadata(&reader)
            } else {
                tensors.append(try tensor(name, &reader))
            }
        }
        try reader.end()
    }

    /// The format knows strings only.
    private mutating func readMetadata(_ reader: inout JSONReader) throws {
        try reader.beginObject()
        while let key = try reader.nextKey() {
            let place = reader.offset
            guard metadata.updateValue(try reader.string(), forKey: key) == nil else {
                throw error(.duplicate, "metadata \(quoted(key))", at: place, "appears twice")
            }
        }
    }

    private func tensor(_ name: String, _ reader: inout JSONReader) throws -> Tensor {
        let field = "tensor \(quoted(name))"
        let start = reader.offset
        var typeName: String?
        var shape: [Int]?
        var offsets: [Int]?
        try reader.beginObject()
        while let key = try reader.nextKey() {
            let place = reader.offset
            switch key {
            case "dtype" where typeName == nil: typeName = try reader.string()
            // No framework has more dimensions than this; a longer list is a way to fill memory.
            case "shape" where shape == nil: shape = try sizes(&reader, "\(field) shape", atMost: 16)
            case "data_offsets" where offsets == nil:
                offsets = try sizes(&reader, "\(field) data_offsets", atMost: 2)
            case "dtype", "shape", "data_offsets":
                throw error(.duplicate, "\(field) \(key)", at: place, "appears twice")
            default:
                throw error(.malformed, field, at: place, "has a member \(quoted(key)) that the format does not know")
            }
        }
        guard let typeName, let shape, let offsets, offsets.count == 2 else {
            throw error(.malformed, field, at: start, "lacks one of dtype, shape and two data_offsets")
        }
        guard let type = ["F32": TensorType.f32, "F16": .f16, "BF16": .bf16][typeName] else {
            throw error(
                .unsupportedTensorType, "\(field) dtype", at: start, "tensor type \(quoted(typeName)) is not supported")
        }
        let layout: TensorLayout
        do {
            // Row-major frameworks name the contiguous dimension last.
            layout = try TensorLayout(type: type, shape: shape.reversed())
        } catch {
            throw self.error(.malformed, "\(field) shape", at: start, "\(shape) is impossible: \(error.text)")
        }
        let available = fileSize - dataStart
        guard offsets[0] <= offsets[1] else {
            throw error(.malformed, "\(field) data_offsets", at: start, "end before they begin: \(offsets)")
        }
        guard offsets[1] <= available else {
            throw error(
                .truncated, "\(field) data_offsets", at: start, "\(offsets) reach beyond the \(available) bytes of data"
            )
        }
        guard offsets[1] - offsets[0] == layout.byteCount else {
            throw error(
                .malformed, "\(field) data_offsets", at: start,
                "hold \(offsets[1] - offsets[0]) bytes, but \(typeName) of shape \(shape) takes \(layout.byteCount)")
        }
        return Tensor(
            name: name, type: type, shape: shape.reversed(), layout: layout, dataOffset: dataStart + offsets[0],
            lineOffset: start)
    }

    private func sizes(_ reader: inout JSONReader, _ field: String, atMost limit: Int) throws -> [Int] {
        var values: [Int] = []
        try reader.beginArray()
        while try reader.nextElement() {
            let place = reader.offset
            let value = try reader.integer()
            guard value >= 0, values.count < limit else {
                throw error(.malformed, field, at: place, "expected at most \(limit) numbers from 0 up")
            }
            values.append(value)
        }
        return values
    }

    /// Every byte of the data belongs to one tensor.
    private func checkPlaces() throws(SafetensorsError) {
        var end = dataStart
        var last: Tensor?
        for tensor in tensors.sorted(by: { $0.dataOffset < $1.dataOffset }) {
            if tensor.dataOffset < end, let last {
                throw error(
                    .overlap, tensor.field, at: tensor.lineOffset,
                    "starts at byte \(tensor.dataOffset), before \(last.field) ends at byte \(end)")
            }
            guard tensor.dataOffset == end else {
                throw error(
                    .gap, tensor.field, at: tensor.lineOffset,
                    "starts at byte \(tensor.dataOffset), \(tensor.dataOffset - end) bytes after the data before it")
            }
            end = tensor.dataEnd
            last = tensor
        }
        guard end == fileSize else {
            throw error(.gap, "data", at: end, "\(fileSize - end) bytes at the end belong to no tensor")
        }
    }
}

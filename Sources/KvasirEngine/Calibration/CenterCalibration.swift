public import Foundation
public import KvasirCodecs

/// The mean keys of a model before rotary embedding, as `kvasir calibrate center` measured them and a file holds them.
///
/// The file is a safetensors file with one tensor, `keys.mean` of [layers, KV heads, head size] in F32, and metadata that
/// say which model it belongs to. It stands beside the model: `MODEL.center.safetensors`.
public struct CenterCalibration: Sendable, Hashable {
    /// The fingerprint of the model, see `LanguageModel.fingerprint`.
    public let model: String
    /// Which channels of a head are turned together.
    public let order: ChannelOrder
    /// What was run to measure the means, in words.
    public let source: String
    /// Tokens that were run.
    public let tokens: Int
    /// The mean key of each layer, all KV heads concatenated.
    public let means: [[Float]]

    /// Describes a measurement.
    public init(
        model: String, order: ChannelOrder, source: String, tokens: Int, means: [[Float]]
    ) {
        self.model = model
        self.order = order
        self.source = source
        self.tokens = tokens
        self.means = means
    }

    /// Where the calibration of a model file lies if nothing else is said.
    public static func path(beside model: String) -> String {
        "\(model.hasSuffix("/") ? String(model.dropLast()) : model).center.safetensors"
    }
}

// MARK: The file

extension CenterCalibration {
    private static let format = "kvasir-calibration"
    private static let version = "1"
    private static let kind = "center"
    private static let tensor = "keys.mean"
    /// More than any model's means take.
    private static let longestFile = 1 << 28

    private struct Header: Codable {
        struct Entry: Codable {
            let dtype: String
            let shape: [Int]
            let dataOffsets: [Int]

            enum CodingKeys: String, CodingKey {
                case dtype, shape
                case dataOffsets = "data_offsets"
            }
        }

        let metadata: [String: String]
        let means: Entry

        enum CodingKeys: String, CodingKey {
            case metadata = "__metadata__"
            case means = "keys.mean"
        }
    }

    /// Writes the file; a reader sees all of it or what was there before.
    ///
    /// - Throws: `CalibrationError` if it cannot be written.
    public func write(to path: String) throws(CalibrationError) {
        let values = means.flatMap { $0 }
        let header = Header(
            metadata: [
                "format": Self.format, "version": Self.version, "kind": Self.kind, "model": model,
                "channel_order": order.rawValue, "key_space": "before rotary", "source": source,
                "tokens": String(tokens),
            ],
            means: Header.Entry(
                dtype: "F32", shape: [means.count, means.first?.count ?? 0], dataOffsets: [0, values.count * 4]))
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            var text = try encoder.encode(header)
            // Data start at a multiple of 8 bytes.
            text.append(contentsOf: [UInt8](repeating: 0x20, count: (8 - text.count % 8) % 8))
            var file = Data()
            withUnsafeBytes(of: UInt64(text.count).littleEndian) { file.append(contentsOf: $0) }
            file.append(text)
            for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { file.append(contentsOf: $0) } }
            try file.write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw CalibrationError(
                .unwritable, received: "cannot write \(path): \(error.localizedDescription)",
                remedy: "name another file with --output")
        }
    }

    /// Reads a file.
    ///
    /// - Throws: `CalibrationError` if there is none, or it is damaged or of another kind or version.
    public init(path: String) throws(CalibrationError) {
        let file: Data
        do {
            file = try Data(contentsOf: URL(filePath: path))
        } catch {
            throw CalibrationError(
                .unreadable, received: "cannot read \(path): \(error.localizedDescription)",
                remedy: "name a file that 'kvasir calibrate center' has written")
        }
        func damaged(_ what: String) -> CalibrationError {
            CalibrationError(
                .malformed, received: "\(path): \(what)", remedy: "make it anew with 'kvasir calibrate center'")
        }
        guard file.count >= 8, file.count <= Self.longestFile else { throw damaged("\(file.count) bytes") }
        let length = file.prefix(8).enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << (8 * $1.offset) }
        guard length <= file.count - 8 else { throw damaged("header of \(length) bytes") }
        let header: Header
        do {
            header = try JSONDecoder().decode(Header.self, from: file.dropFirst(8).prefix(Int(length)))
        } catch {
            throw damaged("no header of mean keys")
        }
        func metadata(_ key: String) throws(CalibrationError) -> String {
            guard let value = header.metadata[key] else { throw damaged("no '\(key)'") }
            return value
        }
        for (key, expected) in [("format", Self.format), ("kind", Self.kind), ("version", Self.version)] {
            let found = try metadata(key)
            guard found == expected else { throw damaged("\(key) '\(found)' where '\(expected)' was expected") }
        }
        guard let order = ChannelOrder(rawValue: try metadata("channel_order")) else {
            throw damaged("channel order '\(try metadata("channel_order"))'")
        }
        let data = file.dropFirst(8 + Int(length))
        let shape = header.means.shape
        guard header.means.dtype == "F32", shape.count == 2, shape.allSatisfy({ $0 > 0 && $0 <= 1 << 20 }),
            header.means.dataOffsets == [0, data.count], shape[0] * shape[1] * 4 == data.count
        else { throw damaged("shape \(shape) with \(data.count) bytes") }
        let values = data.withUnsafeBytes { bytes in
            (0..<shape[0] * shape[1]).map {
                Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
            }
        }
        guard values.allSatisfy(\.isFinite) else { throw damaged("a mean that is not a number") }
        self.init(
            model: try metadata("model"), order: order, source: try metadata("source"),
            tokens: Int(try metadata("tokens")) ?? 0,
            means: (0..<shape[0]).map { Array(values[$0 * shape[1]..<($0 + 1) * shape[1]]) })
    }
}

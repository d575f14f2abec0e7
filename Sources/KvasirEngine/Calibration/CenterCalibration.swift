internal import Foundation
public import KvasirCodecs
internal import KvasirWeights

/// The mean keys of a model before rotary embedding, as `kvasir calibrate center` measured them and a file holds them.
///
/// The file is a safetensors file with one tensor, `keys.mean` of [layers, KV heads x head size] in F32, and metadata that
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

    private struct Header: Encodable {
        struct Entry: Encodable {
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
        func damaged(_ what: String) -> CalibrationError {
            CalibrationError(
                .malformed, received: "\(path): \(what)", remedy: "make it anew with 'kvasir calibrate center'")
        }
        let file: SafetensorsFile
        let tensor: WeightTensor
        do throws(SafetensorsError) {
            file = try SafetensorsFile(path: path)
        } catch {
            guard error.reason == .unreadable else { throw damaged("\(error.field) \(error.found)") }
            throw CalibrationError(
                .unreadable, received: "cannot read \(path): \(error.found)",
                remedy: "name a file that 'kvasir calibrate center' has written")
        }
        func metadata(_ key: String) throws(CalibrationError) -> String {
            guard let value = file.metadata[key] else { throw damaged("no '\(key)'") }
            return value
        }
        for (key, expected) in [("format", Self.format), ("kind", Self.kind), ("version", Self.version)] {
            let found = try metadata(key)
            guard found == expected else { throw damaged("\(key) '\(found)' where '\(expected)' was expected") }
        }
        guard let order = ChannelOrder(rawValue: try metadata("channel_order")) else {
            throw damaged("channel order '\(try metadata("channel_order"))'")
        }
        do throws(WeightError) {
            tensor = try file.tensor(named: Self.tensor)
        } catch {
            throw damaged("no tensor '\(Self.tensor)'")
        }
        guard tensor.type == .f32, tensor.shape.count == 2, file.tensors.count == 1 else {
            throw damaged("a tensor of \(tensor.type) \(tensor.shape)")
        }
        let values = tensor.dequantized()
        guard values.allSatisfy(\.isFinite) else { throw damaged("a mean that is not a number") }
        let width = tensor.columns
        self.init(
            model: try metadata("model"), order: order, source: try metadata("source"),
            tokens: Int(try metadata("tokens")) ?? 0,
            means: (0..<tensor.rows).map { Array(values[$0 * width..<($0 + 1) * width]) })
    }
}

internal import Crypto
internal import Foundation
public import KvasirCodecs
internal import KvasirWeights

/// A calibration as a file holds it: safetensors, with metadata that say what it is and which model it was made for.
///
/// A hash over the tensors stands in the metadata, so that a file that was cut or changed is found before it is used.
struct CalibrationFile {
    /// What the file holds.
    let kind: String
    /// Which model, and what was run.
    let origin: CalibrationOrigin
    /// What else the kind says of itself.
    let settings: [String: String]
    /// The tensors in the file's order.
    let tensors: [Tensor]

    /// A tensor, its contiguous dimension last, as safetensors has it.
    struct Tensor {
        enum Values {
            case float32([Float])
            case float16([UInt16])
        }

        let name: String
        let shape: [Int]
        let values: Values
    }

    private static let format = "kvasir-calibration"
    private static let version = "2"

    init(kind: CalibrationKind, origin: CalibrationOrigin, settings: [String: String] = [:], tensors: [Tensor]) {
        self.init(kind: kind.name, origin: origin, settings: settings, tensors: tensors)
    }

    init(kind: String, origin: CalibrationOrigin, settings: [String: String], tensors: [Tensor]) {
        self.kind = kind
        self.origin = origin
        self.settings = settings
        self.tensors = tensors
    }
}

/// Which model a calibration belongs to, and what it was measured on.
public struct CalibrationOrigin: Sendable, Hashable {
    /// The fingerprint of the model, see `LanguageModel.fingerprint`.
    public let model: String
    /// The model's family.
    public let family: String
    /// Which channels of a head are turned together; nil if positions are learned.
    public let order: ChannelOrder?
    /// What was run, in words.
    public let source: String
    /// Tokens that were run.
    public let tokens: Int

    /// Describes where a calibration comes from.
    public init(model: String, family: String, order: ChannelOrder?, source: String, tokens: Int) {
        self.model = model
        self.family = family
        self.order = order
        self.source = source
        self.tokens = tokens
    }
}

// MARK: Writing

extension CalibrationFile {
    private enum Entry: Encodable {
        case metadata([String: String])
        case tensor(type: String, shape: [Int], bytes: Range<Int>)

        private enum CodingKeys: String, CodingKey {
            case dtype, shape
            case dataOffsets = "data_offsets"
        }

        func encode(to encoder: any Encoder) throws {
            switch self {
            case .metadata(let metadata): try metadata.encode(to: encoder)
            case .tensor(let type, let shape, let bytes):
                var container = encoder.container(keyedBy: CodingKeys.self)
                try container.encode(type, forKey: .dtype)
                try container.encode(shape, forKey: .shape)
                try container.encode([bytes.lowerBound, bytes.upperBound], forKey: .dataOffsets)
            }
        }
    }

    /// Writes the file; a reader sees all of it or what was there before.
    ///
    /// - Throws: `CalibrationError` if it cannot be written.
    func write(to path: String) throws(CalibrationError) {
        var data = Data()
        var header: [String: Entry] = [:]
        for tensor in tensors {
            let start = data.count
            let type: String
            switch tensor.values {
            case .float32(let values):
                type = "F32"
                for value in values {
                    withUnsafeBytes(of: value.bitPattern.littleEndian) { data.append(contentsOf: $0) }
                }
            case .float16(let values):
                type = "F16"
                for value in values { withUnsafeBytes(of: value.littleEndian) { data.append(contentsOf: $0) } }
            }
            header[tensor.name] = .tensor(type: type, shape: tensor.shape, bytes: start..<data.count)
        }
        let own = [
            "format": Self.format, "version": Self.version, "kind": kind, "model": origin.model,
            "family": origin.family, "channel_order": origin.order?.rawValue ?? "none", "source": origin.source,
            "tokens": String(origin.tokens), "sha256": Self.hexadecimal(SHA256.hash(data: data)),
        ]
        header["__metadata__"] = .metadata(settings.merging(own) { $1 })
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            var text = try encoder.encode(header)
            // Data start at a multiple of 8 bytes.
            text.append(contentsOf: [UInt8](repeating: 0x20, count: (8 - text.count % 8) % 8))
            var file = Data()
            withUnsafeBytes(of: UInt64(text.count).littleEndian) { file.append(contentsOf: $0) }
            file.append(text)
            file.append(data)
            try file.write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw CalibrationError(
                .unwritable, received: "cannot write \(path): \(error.localizedDescription)",
                remedy: "name another file with --output")
        }
    }

    private static func hexadecimal(_ digest: SHA256.Digest) -> String {
        digest.map { byte in String(byte >> 4, radix: 16) + String(byte & 15, radix: 16) }.joined()
    }
}

// MARK: Reading

extension CalibrationFile {
    /// Reads a file.
    ///
    /// - Throws: `CalibrationError` if there is none, or it is no calibration, damaged, or of another version.
    init(path: String) throws(CalibrationError) {
        let file: SafetensorsFile
        do throws(SafetensorsError) {
            file = try SafetensorsFile(path: path)
        } catch {
            guard error.reason == .unreadable else { throw Self.damaged(path, "\(error.field) \(error.found)") }
            throw CalibrationError(
                .unreadable, received: "cannot read \(path): \(error.found)",
                remedy: "name a file that 'kvasir calibrate' has written")
        }
        var settings = file.metadata
        func take(_ key: String) throws(CalibrationError) -> String {
            guard let value = settings.removeValue(forKey: key) else { throw Self.damaged(path, "no '\(key)'") }
            return value
        }
        for (key, expected) in [("format", Self.format), ("version", Self.version)] {
            let found = try take(key)
            guard found == expected else {
                throw Self.damaged(path, "\(key) '\(found)' where '\(expected)' was expected")
            }
        }
        kind = try take("kind")
        let order = try take("channel_order")
        guard order == "none" || ChannelOrder(rawValue: order) != nil else {
            throw Self.damaged(path, "channel order '\(order)'")
        }
        origin = CalibrationOrigin(
            model: try take("model"), family: try take("family"), order: ChannelOrder(rawValue: order),
            source: try take("source"), tokens: Int(try take("tokens")) ?? 0)
        var hash = SHA256()
        var tensors: [Tensor] = []
        for tensor in file.tensors.sorted(by: { $0.byteRange.lowerBound < $1.byteRange.lowerBound }) {
            hash.update(bufferPointer: tensor.bytes)
            let shape = Array(tensor.shape.reversed())
            switch tensor.type {
            case .f32: tensors.append(Tensor(name: tensor.name, shape: shape, values: .float32(tensor.dequantized())))
            case .f16:
                let values = tensor.bytes.withMemoryRebound(to: UInt8.self) { bytes in
                    stride(from: 0, to: bytes.count, by: 2).map { UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8 }
                }
                tensors.append(Tensor(name: tensor.name, shape: shape, values: .float16(values)))
            default: throw Self.damaged(path, "a tensor of type \(tensor.type)")
            }
        }
        guard try take("sha256") == Self.hexadecimal(hash.finalize()) else {
            throw Self.damaged(path, "its numbers are not those that were written")
        }
        self.settings = settings
        self.tensors = tensors
    }

    /// The error for a file that is not what it should be.
    static func damaged(_ path: String, _ what: String) -> CalibrationError {
        CalibrationError(.malformed, received: "\(path): \(what)", remedy: "make it anew with 'kvasir calibrate'")
    }

    /// Checks that the file holds `kind`.
    ///
    /// - Throws: `CalibrationError` naming both.
    func check(_ kind: CalibrationKind, path: String) throws(CalibrationError) {
        try check(kind: kind.name, command: kind.command, neededBy: "the cache needs", path: path)
    }

    /// The same by name, for what is no codec's.
    func check(kind: String, command: String, neededBy: String, path: String) throws(CalibrationError) {
        guard self.kind == kind else {
            throw CalibrationError(
                .otherKind, received: "\(path) holds '\(self.kind)', \(neededBy) '\(kind)'",
                remedy: "make it with '\(command)'")
        }
    }
}

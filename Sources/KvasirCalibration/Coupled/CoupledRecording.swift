internal import CKvasir
internal import Foundation
internal import KvasirCache
internal import KvasirEngine
internal import KvasirNumerics

/// Keys and values of sequences, with the squared gradients of the loss where they are wanted, in a scratch folder.
///
/// One file a sequence: layer after layer the keys in fp16, their squared gradients in bfloat16, and the values in the same
/// way, tokens x width each. 2 bytes are what the cache's own floats have; squared gradients need the range and not the
/// digits. What is learned from is read back layer by layer, so that memory does not grow with the text.
public struct CoupledRecording: Sendable {
    let folder: String
    let layers: Int
    let sequences: Int
    /// Tokens of a sequence.
    let tokens: Int
    /// Channels of a token's keys, and of its values.
    let width: Int
    let hasGradients: Bool
    /// The mean loss of the sequences, in nats per token; nil if no gradients were wanted.
    public internal(set) var loss: Double?

    /// Bytes of one array of a file.
    private var arrayBytes: Int { tokens * width * MemoryLayout<UInt16>.stride }
    private var arraysPerPart: Int { hasGradients ? 2 : 1 }
    private var fileBytes: Int { layers * 2 * arraysPerPart * arrayBytes }

    private func path(_ sequence: Int) -> String { "\(folder)/sequence-\(sequence)" }

    // MARK: Writing

    /// Checks that the folder's volume has room for what is not there yet.
    ///
    /// - Throws: `CalibrationError` with both numbers.
    func checkRoom(missing: Int) throws(CalibrationError) {
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: folder)
        guard let free = (attributes?[.systemFreeSize] as? NSNumber)?.intValue, free < missing * fileBytes else {
            return
        }
        throw CalibrationError(
            .unwritable, received: "\(folder) has \(ByteCount(free)) free",
            remedy: "what is recorded takes \(ByteCount(missing * fileBytes)) while codebooks are made; "
                + "make room, or name another place with --output")
    }

    /// Whether a sequence's file is whole.
    func has(_ sequence: Int) -> Bool {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path(sequence))
        return (attributes?[.size] as? NSNumber)?.intValue == fileBytes
    }

    /// Writes a sequence's file; it is there as a whole or not at all.
    ///
    /// - Parameter record: runs the sequence and hands every layer to what it is given.
    /// - Throws: `CalibrationError` if the file cannot be written; whatever `record` throws.
    func write<Result>(_ sequence: Int, _ record: ((RecordedLayer) throws -> Void) throws -> Result) throws -> Result {
        let unfinished = path(sequence) + ".unfinished"
        do {
            guard FileManager.default.createFile(atPath: unfinished, contents: nil) else {
                throw CocoaError(.fileWriteUnknown)
            }
            let file = try FileHandle(forWritingTo: URL(filePath: unfinished))
            let result = try record { layer in
                for (part, values, gradients) in [
                    (CachedPart.keys, layer.keys, layer.gradients?.keys),
                    (.values, layer.values, layer.gradients?.values),
                ] {
                    try file.seek(toOffset: UInt64(offset(layer.layer, part)))
                    try file.write(contentsOf: try halves(values, layer.layer, part))
                    if let gradients { try file.write(contentsOf: try squares(gradients, layer.layer, part)) }
                }
            }
            try file.close()
            // One that a crash left before it was noted as done.
            try? FileManager.default.removeItem(atPath: path(sequence))
            try FileManager.default.moveItem(atPath: unfinished, toPath: path(sequence))
            return result
        } catch {
            try? FileManager.default.removeItem(atPath: unfinished)
            guard (error as NSError).domain == NSCocoaErrorDomain || (error as NSError).domain == NSPOSIXErrorDomain
            else { throw error }
            throw CalibrationError(
                .unwritable, received: "cannot write \(path(sequence)): \(error.localizedDescription)",
                remedy: "make room, or name another place with --output")
        }
    }

    private func offset(_ layer: Int, _ part: CachedPart) -> Int {
        (2 * layer + (part == .keys ? 0 : 1)) * arraysPerPart * arrayBytes
    }

    private func halves(_ matrix: FloatMatrix, _ layer: Int, _ part: CachedPart) throws(CalibrationError) -> Data {
        try data(matrix, "\(part) of layer \(layer)") { $0.magnitude <= 65504 ? kv_f32_to_f16($0) : nil }
    }

    private func squares(_ matrix: FloatMatrix, _ layer: Int, _ part: CachedPart) throws(CalibrationError) -> Data {
        try data(matrix, "gradients of the \(part) of layer \(layer)") {
            ($0 * $0).isFinite ? kv_f32_to_bf16($0 * $0) : nil
        }
    }

    /// - Parameter convert: nil for what cannot be stored.
    private func data(
        _ matrix: FloatMatrix, _ name: String, _ convert: (Float) -> UInt16?
    ) throws(CalibrationError) -> Data {
        precondition(matrix.rows == tokens && matrix.columns == width, "a sequence of the recording")
        var numbers = [UInt16](repeating: 0, count: tokens * width)
        for row in 0..<matrix.rows {
            for column in 0..<width {
                guard let number = convert(matrix.row(row)[column]) else {
                    throw CalibrationError(
                        .impossible, received: "\(name): \(matrix.row(row)[column]) at token \(row)",
                        remedy:
                            "codebooks hold finite numbers up to 65504; the model overflows on this text: use another "
                            + "text or another file of the model")
                }
                numbers[row * width + column] = number
            }
        }
        return numbers.withUnsafeBytes { Data($0) }
    }

    // MARK: Reading

    /// Reads a part of a layer.
    ///
    /// - Parameter skipped: the first tokens of each sequence that are left out.
    /// - Throws: `CalibrationError` if a file is not what was written.
    func read(_ part: CachedPart, ofLayer layer: Int, skipped: Int) throws(CalibrationError) -> RecordedPart {
        let counted = (tokens - skipped) * width
        var values = [UInt16](repeating: 0, count: sequences * counted)
        var gradients = [UInt16](repeating: 0, count: hasGradients ? sequences * counted : 0)
        for sequence in 0..<sequences {
            let start = offset(layer, part) + skipped * width * MemoryLayout<UInt16>.stride
            try read(sequence, at: start, into: &values[sequence * counted..<(sequence + 1) * counted])
            if hasGradients {
                try read(
                    sequence, at: start + arrayBytes, into: &gradients[sequence * counted..<(sequence + 1) * counted])
            }
        }
        return RecordedPart(
            tokens: sequences * (tokens - skipped), width: width, values: values,
            squares: hasGradients ? gradients : nil)
    }

    private func read(
        _ sequence: Int, at offset: Int, into numbers: inout ArraySlice<UInt16>
    ) throws(CalibrationError) {
        let count = numbers.count * MemoryLayout<UInt16>.stride
        let data: Data?
        do {
            let file = try FileHandle(forReadingFrom: URL(filePath: path(sequence)))
            try file.seek(toOffset: UInt64(offset))
            data = try file.read(upToCount: count)
        } catch {
            data = nil
        }
        guard let data, data.count == count else {
            throw CalibrationError(
                .unreadable, received: "cannot read \(path(sequence))",
                remedy: "it is not what was recorded; remove \(folder) and run again")
        }
        numbers.withUnsafeMutableBytes { _ = data.copyBytes(to: $0) }
    }
}

/// Keys or values of a layer.
enum CachedPart: String {
    case keys, values
}

/// Recorded keys or values of a layer: tokens x width.
struct RecordedPart {
    let tokens: Int
    let width: Int
    /// As IEEE binary16.
    let values: [UInt16]
    /// Squared gradients as bfloat16; nil if all tokens count the same.
    let squares: [UInt16]?

    /// The squared length of the gradient of every token's group of channels: [token][group]; nil without gradients.
    func squaredNorms(channels: Int) -> [Float]? {
        guard let squares else { return nil }
        return (0..<tokens * (width / channels)).map { index in
            squares[index * channels..<(index + 1) * channels].reduce(0) { $0 + kv_bf16_to_f32($1) }
        }
    }

    /// The weight that every token's group of channels has in the mean of its centroid: [token][group].
    ///
    /// The largest of the part is 1, so that single precision serves squared gradients, which are 1e-10 and less. Without
    /// gradients, or if all of them are zero, all weights are 1.
    func weights(channels: Int) -> [Float] {
        guard let norms = squaredNorms(channels: channels), let largest = norms.max(), largest > 0 else {
            return [Float](repeating: 1, count: tokens * (width / channels))
        }
        return norms.map { $0 / largest }
    }

    /// The points of a group: `channels` channels from `group * channels` on, with the part's weights.
    func points(group: Int, channels: Int, weights: [Float]) -> ClusterPoints {
        let groups = width / channels
        return ClusterPoints(
            count: tokens, channels: channels,
            value: { kv_f16_to_f32(values[$0 * width + group * channels + $1]) },
            weight: { weights[$0 * groups + group] })
    }
}

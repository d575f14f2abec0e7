import Foundation
import KvasirModels
import KvasirWeights

/// The contents of a Hugging Face folder in memory, to be changed by a test.
///
/// A reader of its own, for well-formed files: what a test changes need not be written out first.
struct FolderDraft {
    var configuration: [String: Any]
    private(set) var tensors: [String: WeightTensor] = [:]

    init(configuration: URL, tensors: URL) throws {
        struct Malformed: Error {}
        guard let object = try JSONSerialization.jsonObject(with: Data(contentsOf: configuration)) as? [String: Any]
        else { throw Malformed() }
        self.configuration = object
        let data = try Data(contentsOf: tensors)
        let headerBytes = data.withUnsafeBytes { Int($0.loadUnaligned(as: UInt64.self)) }
        let storage = data.withUnsafeBytes { WeightBuffer(copying: $0) }
        let header = try JSONSerialization.jsonObject(with: data[8..<8 + headerBytes]) as? [String: Any] ?? [:]
        for (name, entry) in header where name != "__metadata__" {
            guard let entry = entry as? [String: Any], let shape = entry["shape"] as? [Int],
                let offsets = entry["data_offsets"] as? [Int], entry["dtype"] as? String == "F16"
            else { throw Malformed() }
            self.tensors[name] = try WeightTensor(
                name: name, type: .f16, shape: shape.reversed(), storage: storage, offset: 8 + headerBytes + offsets[0])
        }
    }

    /// Removes a tensor.
    mutating func remove(_ name: String) { tensors[name] = nil }

    /// Puts zeros of a shape, the contiguous dimension first, in place of a tensor or beside the others.
    mutating func setZeros(_ name: String, _ shape: [Int]) throws {
        try set(name, shape, [UInt16](repeating: 0, count: shape.reduce(1, *)))
    }

    /// Puts a vector in place of one.
    mutating func setValues(_ name: String, _ values: [Float16]) throws {
        try set(name, [values.count], values.map(\.bitPattern))
    }

    private mutating func set(_ name: String, _ shape: [Int], _ halves: [UInt16]) throws {
        tensors[name] = try WeightTensor(
            name: name, type: .f16, shape: shape, storage: halves.withUnsafeBytes { WeightBuffer(copying: $0) })
    }

    /// Gives every tensor a name of its own.
    mutating func rename(_ name: (String) -> String) throws {
        var renamed: [String: WeightTensor] = [:]
        for (old, tensor) in tensors {
            renamed[name(old)] = try WeightTensor(
                name: name(old), type: tensor.type, shape: tensor.shape, storage: tensor.storage,
                offset: tensor.byteRange.lowerBound)
        }
        tensors = renamed
    }

    func checkpoint() throws -> Checkpoint {
        // Through text, so that the values are those a file would hold.
        let text = try JSONSerialization.data(withJSONObject: configuration)
        return try Checkpoint(huggingFace: Source(tensors: tensors), configuration: Configuration(text), name: "draft")
    }

    private struct Source: WeightSource {
        let tensors: [String: WeightTensor]
        var tensorNames: [String] { tensors.keys.sorted() }

        func tensor(named name: String) throws(WeightError) -> WeightTensor {
            guard let tensor = tensors[name] else {
                throw WeightError(tensor: name, reason: .missing, problem: "is not among the tensors")
            }
            return tensor
        }
    }

    private struct Configuration: CheckpointMetadata {
        struct WrongType: Error { let key: String }
        let text: Data

        init(_ text: Data) { self.text = text }

        private func value(_ key: String) -> Any? {
            var value: Any? = try? JSONSerialization.jsonObject(with: text)
            for part in key.split(separator: ".") { value = (value as? [String: Any])?[String(part)] }
            return value is NSNull ? nil : value
        }

        private func typed<Value>(_ key: String, _ type: Value.Type) throws -> Value? {
            guard let value = value(key) else { return nil }
            guard let typed = value as? Value else { throw WrongType(key: key) }
            return typed
        }

        func contains(_ key: String) -> Bool { value(key) != nil }
        func string(ifPresent key: String) throws -> String? { try typed(key, String.self) }
        func integer(ifPresent key: String) throws -> Int? { try typed(key, Int.self) }
        func number(ifPresent key: String) throws -> Double? { try typed(key, Double.self) }
        func bool(ifPresent key: String) throws -> Bool? { try typed(key, Bool.self) }
        func strings(ifPresent key: String) throws -> [String]? { try typed(key, [String].self) }
        func bools(ifPresent key: String) throws -> [Bool]? { try typed(key, [Bool].self) }
    }
}

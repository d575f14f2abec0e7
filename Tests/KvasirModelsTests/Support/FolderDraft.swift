import Foundation
import KvasirModels
import KvasirWeights

/// The contents of a Hugging Face folder in memory, to be changed by a test.
struct FolderDraft {
    var configuration: [String: Any]
    private(set) var tensors: [String: WeightTensor] = [:]

    init(configuration: URL, tensors: any WeightSource) throws {
        struct Malformed: Error {}
        guard let object = try JSONSerialization.jsonObject(with: Data(contentsOf: configuration)) as? [String: Any]
        else { throw Malformed() }
        self.configuration = object
        for name in tensors.tensorNames { self.tensors[name] = try tensors.tensor(named: name) }
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

    /// Puts values of a shape, the contiguous dimension first, in place of a tensor.
    mutating func setValues(_ name: String, _ shape: [Int], _ values: [Float16]) throws {
        try set(name, shape, values.map(\.bitPattern))
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
        let read = try text.withUnsafeBytes { try ModelConfiguration($0, path: "config.json") }
        return try Checkpoint(huggingFace: Source(tensors: tensors), configuration: read, name: "draft")
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
}

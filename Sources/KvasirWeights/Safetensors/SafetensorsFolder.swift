internal import Foundation
internal import KvasirJSON

/// The weights of a Hugging Face model folder: `model.safetensors`, or several files and the index that names them.
public final class SafetensorsFolder: WeightSource {
    /// The folder's path as given.
    public let path: String
    /// The names of all tensors: file after file, each in its header's order.
    public let tensorNames: [String]

    private static let single = "model.safetensors"
    private static let index = "model.safetensors.index.json"
    private let files: [String: SafetensorsFile]

    /// Opens the folder's files and reads their headers.
    ///
    /// - Throws: `SafetensorsError`: `.pickle` if the weights are there in that form only, `.missingFile` naming a file
    ///   that the index names, `.inconsistentIndex` if index and files differ, and as `SafetensorsFile`.
    public init(path: String) throws(SafetensorsError) {
        self.path = path
        func place(_ name: String) -> String { (path as NSString).appendingPathComponent(name) }
        func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: place(name)) }
        // As the reference library: a file of the whole model counts before an index.
        if exists(Self.single) {
            let file = try SafetensorsFile(path: place(Self.single))
            tensorNames = file.tensorNames
            files = Dictionary(uniqueKeysWithValues: file.tensorNames.map { ($0, file) })
            return
        }
        guard exists(Self.index) else { throw Self.noWeights(path) }
        let map = try Self.weightMap(place(Self.index))
        var files: [String: SafetensorsFile] = [:]
        var tensorNames: [String] = []
        for name in Set(map.values).sorted() {
            guard exists(name) else {
                throw SafetensorsError(
                    path: place(name), reason: .missingFile, field: "file", offset: nil,
                    found: "is not there, though \(Self.index) names it")
            }
            let file = try SafetensorsFile(path: place(name))
            for tensor in file.tensorNames {
                guard map[tensor] == name else {
                    throw SafetensorsError(
                        path: place(name), reason: .inconsistentIndex, field: "tensor \(quoted(tensor))", offset: nil,
                        found: map[tensor].map { "\(Self.index) says it is in \($0)" }
                            ?? "\(Self.index) does not name it")
                }
                files[tensor] = file
                tensorNames.append(tensor)
            }
        }
        if let (tensor, name) = map.sorted(by: { $0.key < $1.key }).first(where: { files[$0.key] == nil }) {
            throw SafetensorsError(
                path: place(name), reason: .inconsistentIndex, field: "tensor \(quoted(tensor))", offset: nil,
                found: "\(Self.index) says it is here, but it is not")
        }
        self.files = files
        self.tensorNames = tensorNames
    }

    /// Returns the tensor called `name`.
    ///
    /// - Throws: `WeightError` with reason `.missing` if the folder has none.
    public func tensor(named name: String) throws(WeightError) -> WeightTensor {
        guard let file = files[name] else {
            throw WeightError(
                path: path, tensor: name, reason: .missing,
                problem: "is not among the folder's \(tensorNames.count) tensors")
        }
        return try file.tensor(named: name)
    }

    /// The file of every tensor, as the index says.
    private static func weightMap(_ path: String) throws(SafetensorsError) -> [String: String] {
        func error(_ offset: Int?, _ found: String, _ field: String = "index") -> SafetensorsError {
            SafetensorsError(path: path, reason: .malformed, field: field, offset: offset, found: found)
        }
        let value: JSONValue
        do {
            let file = try MappedFile(path: path)
            value = try withExtendedLifetime(file) { () throws(JSONError) in try JSONValue(parsing: file.bytes) }
        } catch let failure as JSONError {
            throw error(failure.offset, failure.problem)
        } catch {
            throw SafetensorsError(path: path, reason: .unreadable, field: "file", offset: nil, found: "\(error)")
        }
        guard let members = value["weight_map"]?.object, !members.isEmpty else {
            throw error(nil, "has no object weight_map with a file for every tensor")
        }
        var map: [String: String] = [:]
        for (tensor, name) in members.sorted(by: { $0.key < $1.key }) {
            // The index may come from a stranger; it names files of its own folder only.
            guard let name = name.string, !name.isEmpty, !name.hasPrefix("."), !name.contains("/"),
                !name.utf8.contains(0), name.hasSuffix(".safetensors")
            else { throw error(nil, "names no .safetensors file of this folder", "tensor \(quoted(tensor))") }
            map[tensor] = name
        }
        return map
    }

    private static func noWeights(_ path: String) -> SafetensorsError {
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
        let pickle = names.first { name in
            name.hasPrefix("pytorch_model") || [".bin", ".pt", ".pth", ".ckpt"].contains { name.hasSuffix($0) }
        }
        guard let pickle else {
            return SafetensorsError(
                path: path, reason: .missingFile, field: "weights", offset: nil,
                found: "the folder has neither \(single) nor \(index)")
        }
        return SafetensorsError(
            path: (path as NSString).appendingPathComponent(pickle), reason: .pickle, field: "weights", offset: nil,
            found: "the folder has its weights as a pickle only, and reading a pickle executes code it contains")
    }
}

/// A safetensors file; mapped into memory, not loaded.
///
/// The whole header is checked when the file is opened. Afterwards every tensor lies inside the file and overlaps no
/// other. Shapes have the contiguous dimension first, as for GGUF: the reverse of what the file says.
public final class SafetensorsFile: WeightSource {
    /// The path as given.
    public let path: String
    /// All tensors in the header's order.
    public let tensors: [WeightTensor]

    /// What the writer says of the file: `__metadata__`.
    public let metadata: [String: String]

    private let indices: [String: Int]

    /// Opens the file at `path` and reads its header.
    ///
    /// - Throws: `SafetensorsError` naming the tensor and the byte offset of what cannot be used.
    public convenience init(path: String) throws(SafetensorsError) {
        let file: MappedFile
        do {
            file = try MappedFile(path: path)
        } catch {
            throw SafetensorsError(path: path, reason: .unreadable, field: "file", offset: nil, found: error.problem)
        }
        try self.init(contents: file, path: path)
    }

    /// Reads the header of a file whose bytes are in memory already.
    ///
    /// - Parameters:
    ///   - contents: The bytes of the file, from its start.
    ///   - path: What to call it in messages.
    /// - Throws: `SafetensorsError` naming the tensor and the byte offset of what cannot be used.
    public init(contents: any WeightStorage, path: String) throws(SafetensorsError) {
        let header = try SafetensorsHeader(contents.bytes, path: path)
        self.path = path
        metadata = header.metadata
        tensors = header.tensors.map { tensor in
            WeightTensor(
                name: tensor.name, type: tensor.type, shape: tensor.shape, layout: tensor.layout, storage: contents,
                offset: tensor.dataOffset)
        }
        var indices: [String: Int] = [:]
        for (index, tensor) in tensors.enumerated() { indices[tensor.name] = index }
        self.indices = indices
    }

    /// The names of all tensors in the header's order.
    public var tensorNames: [String] { tensors.map(\.name) }

    /// Returns the tensor called `name`.
    ///
    /// - Throws: `WeightError` with reason `.missing` if the file has none.
    public func tensor(named name: String) throws(WeightError) -> WeightTensor {
        guard let index = indices[name] else {
            throw WeightError(
                path: path, tensor: name, reason: .missing, problem: "is not among the file's \(tensors.count) tensors")
        }
        return tensors[index]
    }
}

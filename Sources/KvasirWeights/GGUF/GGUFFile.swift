/// A model in GGUF format, versions 2 and 3, little-endian; mapped into memory, not loaded.
///
/// The whole header is checked when the file is opened. Afterwards every tensor lies inside the file and overlaps no
/// other. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
public final class GGUFFile: WeightSource {
    /// The path as given.
    public let path: String

    /// The format version, 2 or 3.
    public let version: Int

    /// The alignment of the tensor data in bytes.
    public let alignment: Int

    /// The key-value pairs.
    public let metadata: GGUFMetadata

    /// All tensors in the file's order.
    public let tensors: [WeightTensor]

    private let indices: [String: Int]

    /// Opens the file at `path` and reads its header.
    ///
    /// - Throws: `GGUFError` naming the field and the byte offset of what cannot be used.
    public convenience init(path: String) throws(GGUFError) {
        let file: MappedFile
        do {
            file = try MappedFile(path: path)
        } catch {
            throw GGUFError(path: path, reason: .unreadable, field: "file", offset: nil, found: error.problem)
        }
        try self.init(contents: file, path: path)
    }

    /// Reads the header of a file whose bytes are in memory already.
    ///
    /// - Parameters:
    ///   - contents: The bytes of the file, from its start.
    ///   - path: What to call it in messages.
    /// - Throws: `GGUFError` naming the field and the byte offset of what cannot be used.
    public init(contents: any WeightStorage, path: String) throws(GGUFError) {
        let header = try GGUFHeader(contents, path: path)
        self.path = path
        version = Int(header.version)
        alignment = header.alignment
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

    /// The names of all tensors in the file's order.
    public var tensorNames: [String] { tensors.map(\.name) }

    /// Returns the tensor called `name`.
    ///
    /// - Throws: `WeightError` with reason `.missing` if the file has none.
    public func tensor(named name: String) throws(WeightError) -> WeightTensor {
        guard let index = indices[name] else {
            throw WeightError(
                path: path, tensor: name, reason: .missing, problem: "is not among the file's \(tensors.count) tensors",
                remedy: partRemedy)
        }
        return tensors[index]
    }

    // Converters split large models and number the parts in the metadata.
    private var partRemedy: String? {
        guard let parts = metadata["split.count"]?.integer, parts > 1 else { return nil }
        return "the file is one of \(parts) parts of a split model, merge them into one file"
    }
}

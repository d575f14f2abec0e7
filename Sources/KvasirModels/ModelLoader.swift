internal import KvasirCache
public import KvasirNumerics
public import KvasirWeights

/// The families, by the architecture a file names.
///
/// Adding one is adding a line to `load` and to `info`.
public enum ModelLoader {
    /// The architectures that can be loaded.
    public static let architectures = ["llama"]

    /// Loads the model of a GGUF file: reads its metadata, checks every tensor, repacks the weights.
    ///
    /// - Throws: `ModelError` for an architecture or feature that is not supported and for metadata that contradicts the
    ///   tensors; `GGUFError` and `WeightError` for what is wrong with the file.
    public static func load(_ file: GGUFFile, threads: ThreadPool) throws -> any DecoderModel {
        let architecture = try file.metadata.string(forKey: "general.architecture")
        switch architecture {
        case "llama": return try LlamaModel(file, threads: threads)
        default: throw unsupported(architecture)
        }
    }

    /// Reads the sizes and names of the model in a GGUF file; loads no weight.
    ///
    /// - Throws: as `load`, for what the metadata show.
    public static func info(_ file: GGUFFile) throws -> ModelInfo {
        let architecture = try file.metadata.string(forKey: "general.architecture")
        switch architecture {
        case "llama": return try LlamaModel.info(of: file)
        default: throw unsupported(architecture)
        }
    }

    private static func unsupported(_ architecture: String) -> ModelError {
        ModelError(
            .unsupportedArchitecture, received: "general.architecture = \(architecture)",
            remedy: "this model family is not supported; supported: \(architectures.joined(separator: ", "))")
    }
}

/// Reads the tensors of a model, checks their shapes, and notes which ones were used.
final class TensorLoader {
    private let file: GGUFFile
    private let threads: ThreadPool
    private let arena: MemoryArena
    private var used: Set<String> = []
    /// Bytes of everything read so far, in memory.
    private(set) var loadedBytes = 0

    init(_ file: GGUFFile, threads: ThreadPool) throws {
        self.file = file
        self.threads = threads
        // Room for every matrix as a linear layer: those that are not take nothing of it.
        let bytes = try file.tensorNames.reduce(0) { sum, name in
            sum + MemoryArena.footprint(of: LinearWeight.packedBytes(try file.tensor(named: name)))
        }
        guard let arena = MemoryArena(capacity: bytes) else {
            throw ModelError(
                .outOfMemory, received: "weights of \(ByteCount(bytes))",
                remedy: "the system has no memory for them; use a smaller model")
        }
        self.arena = arena
    }

    /// A matrix whose rows are read one at a time, left in the file.
    func table(_ name: String, columns: Int) throws -> WeightTensor {
        used.insert(name)
        return try Self.table(name, columns: columns, of: file)
    }

    /// A matrix of a file, left there.
    static func table(_ name: String, columns: Int, of file: GGUFFile) throws -> WeightTensor {
        let tensor = try file.tensor(named: name)
        guard tensor.shape.count == 2, tensor.columns == columns else {
            throw shapeError(tensor, expected: "rows of \(columns) values")
        }
        return tensor
    }

    /// The matrix of a linear layer.
    func linear(_ name: String, columns: Int, rows: Int) throws -> LinearWeight {
        let tensor = try self.tensor(name)
        guard tensor.shape == [columns, rows] else { throw Self.shapeError(tensor, expected: "[\(columns), \(rows)]") }
        let weight = try LinearWeight(tensor, in: arena, threads: threads)
        loadedBytes += weight.byteCount
        return weight
    }

    /// A vector, as floats.
    func vector(_ name: String, count: Int) throws -> [Float] {
        let tensor = try self.tensor(name)
        guard tensor.shape == [count] else { throw Self.shapeError(tensor, expected: "[\(count)]") }
        loadedBytes += count * MemoryLayout<Float>.stride
        return tensor.dequantized()
    }

    /// Refuses a file with a tensor that nobody asked for: ignoring it would compute another model.
    func refuseUnused(family: String) throws(ModelError) {
        guard let unused = file.tensorNames.first(where: { !used.contains($0) }) else { return }
        throw ModelError(
            .unsupportedFeature, received: "tensor '\(unused)'",
            remedy: "the \(family) family as implemented here has no such weights; use another model")
    }

    private func tensor(_ name: String) throws -> WeightTensor {
        used.insert(name)
        return try file.tensor(named: name)
    }

    private static func shapeError(_ tensor: WeightTensor, expected: String) -> ModelError {
        ModelError(
            .badTensor, received: "tensor '\(tensor.name)' of shape \(tensor.shape)",
            remedy: "expected \(expected) from the file's metadata; the file is inconsistent, use another one")
    }
}

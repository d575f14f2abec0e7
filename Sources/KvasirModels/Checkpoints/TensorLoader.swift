internal import KvasirCache
internal import KvasirNumerics
internal import KvasirWeights

/// Reads the tensors of a model by role, checks their shapes, and notes which ones were used.
final class TensorLoader {
    private let checkpoint: Checkpoint
    private let names: TensorNames
    private let prefix: String
    let threads: ThreadPool
    /// What becomes of the layers' matrices; nil if they stay as the file has them.
    let conversion: WeightConversion?
    private let arena: MemoryArena
    private var used: Set<String> = []
    private let present: Set<String>
    /// Bytes of everything read so far, in memory.
    private(set) var loadedBytes = 0

    init(_ checkpoint: Checkpoint, names: TensorNames, _ loading: LoadSettings) throws {
        self.checkpoint = checkpoint
        self.names = names
        threads = loading.threads
        conversion = loading.conversion
        present = Set(checkpoint.tensors.tensorNames)
        prefix = names.prefix(in: present)
        // Room for every matrix as a linear layer: those that are not take nothing of it.
        let bytes = try checkpoint.tensors.tensorNames.reduce(0) { sum, name in
            sum
                + MemoryArena.footprint(
                    of: LinearWeight.mostPackedBytes(
                        try checkpoint.tensors.tensor(named: name), loading.conversion))
        }
        arena = try Self.arena(bytes)
    }

    /// Whether the model has a tensor for a role.
    func has(_ role: TensorNames.Role, layer: Int? = nil, _ ending: String = ".weight") -> Bool {
        names.name(role, layer: layer, prefix: prefix).map { present.contains($0 + ending) } ?? false
    }

    /// A matrix whose rows are read one at a time, left in the file.
    func table(_ role: TensorNames.Role, columns: Int, rows: Int) throws -> WeightTensor {
        let tensor = try tensor(role, layer: nil, ".weight")
        guard tensor.shape == [columns, rows] else { throw shapeError(tensor, expected: "[\(columns), \(rows)]") }
        return tensor
    }

    /// The token embedding, left in the file; its rows are the vocabulary.
    func tokenEmbedding(columns: Int) throws -> WeightTensor {
        let tensor = try checkpoint.tokenEmbedding(names, columns: columns)
        used.insert(tensor.name)
        return tensor
    }

    /// The matrix of a linear layer, and its bias where it has one.
    ///
    /// - Parameter isTransposed: whether the file has input channels as rows.
    func linear(
        _ role: TensorNames.Role, layer: Int? = nil, columns: Int, rows: Int, bias: Bool = false,
        isTransposed: Bool = false
    ) throws -> LinearWeight {
        var tensor = try self.tensor(role, layer: layer, ".weight")
        let shape = isTransposed ? [rows, columns] : [columns, rows]
        guard tensor.shape == shape else { throw shapeError(tensor, expected: "\(shape)") }
        if isTransposed { tensor = try tensor.transposed() }
        let values = bias ? try vector(role, layer: layer, count: rows, ".bias") : nil
        // What is to be converted lies in memory of its own, which goes when its layer is done.
        if conversion != nil, layer != nil {
            return try LinearWeight(
                tensor, bias: values, in: Self.arena(MemoryArena.footprint(of: LinearWeight.packedBytes(tensor))),
                threads: threads)
        }
        let weight = try LinearWeight(tensor, bias: values, in: arena, threads: threads)
        loadedBytes += weight.byteCount
        return weight
    }

    /// A matrix of floats as a linear layer holds it after conversion.
    func converted(_ floats: FloatMatrix, bias: [Float]?) -> LinearWeight {
        let weight = LinearWeight(floats, bias: bias, rounding: conversion?.rounding, in: arena, threads: threads)
        loadedBytes += weight.byteCount
        return weight
    }

    private static func arena(_ bytes: Int) throws(ModelError) -> MemoryArena {
        guard let arena = MemoryArena(capacity: bytes) else {
            throw ModelError(
                .outOfMemory, received: "weights of \(ByteCount(bytes))",
                remedy: "the system has no memory for them; use a smaller model")
        }
        return arena
    }

    /// A vector, as floats.
    func vector(
        _ role: TensorNames.Role, layer: Int? = nil, count: Int, _ ending: String = ".weight"
    ) throws -> [Float] {
        let tensor = try self.tensor(role, layer: layer, ending)
        guard tensor.shape == [count] else { throw shapeError(tensor, expected: "[\(count)]") }
        loadedBytes += count * MemoryLayout<Float>.stride
        return tensor.dequantized()
    }

    /// Notes a tensor that another one stands for, or that was read already.
    func passOver(_ role: TensorNames.Role) {
        if let name = names.name(role, layer: nil, prefix: prefix) { used.insert(name + ".weight") }
    }

    /// Refuses a file with a tensor that nobody asked for: ignoring it would compute another model.
    func refuseUnused() throws(ModelError) {
        let unused = checkpoint.tensors.tensorNames.first { name in
            !used.contains(name) && !names.ignored.contains { name.hasSuffix($0) }
        }
        guard let unused else { return }
        throw ModelError(
            .unsupportedFeature, received: "tensor '\(unused)'",
            remedy: "the \(checkpoint.architecture) family as implemented here has no such weights; use another model")
    }

    private func tensor(_ role: TensorNames.Role, layer: Int?, _ ending: String) throws -> WeightTensor {
        guard let name = names.name(role, layer: layer, prefix: prefix) else {
            preconditionFailure("the family asks for a tensor its names do not have")
        }
        used.insert(name + ending)
        return try checkpoint.tensors.tensor(named: name + ending)
    }
}

func shapeError(_ tensor: WeightTensor, expected: String) -> ModelError {
    ModelError(
        .badTensor, received: "tensor '\(tensor.name)' of shape \(tensor.shape)",
        remedy: "expected \(expected) from the file's metadata; the file is inconsistent, use another one")
}

extension Checkpoint {
    /// The token embedding, left in the file; its rows are the vocabulary.
    ///
    /// - Throws: `ModelError` for another width, or if a config.json counts other tokens.
    func tokenEmbedding(_ names: TensorNames, columns: Int) throws -> WeightTensor {
        let prefix = names.prefix(in: Set(tensors.tensorNames))
        guard let name = names.name(.tokenEmbedding, layer: nil, prefix: prefix) else {
            preconditionFailure("every family embeds tokens")
        }
        let tensor = try tensors.tensor(named: name + ".weight")
        guard tensor.shape.count == 2, tensor.columns == columns else {
            throw shapeError(tensor, expected: "rows of \(columns) values")
        }
        if format == .huggingFace, let count = try metadata.integer(ifPresent: "vocab_size"), count != tensor.rows {
            throw shapeError(tensor, expected: "[\(columns), \(count)] (vocab_size = \(count))")
        }
        return tensor
    }
}

extension TensorNames {
    /// The prefix under which a file has its token embedding; the usual one if it has none at all.
    func prefix(in present: Set<String>) -> String {
        prefixes.first { prefix in
            name(.tokenEmbedding, layer: nil, prefix: prefix).map { present.contains($0 + ".weight") } ?? false
        } ?? prefixes[0]
    }

    /// The name of a role's tensors without their ending; nil if the family has none for it in this format.
    func name(_ role: Role, layer: Int?, prefix: String) -> String? {
        guard var name = names[role] else { return nil }
        if name.first == "@" { name = prefix + name.dropFirst() }
        guard let layer else { return name }
        return name.replacing("#", with: "\(layer)")
    }
}

extension WeightTensor {
    /// The matrix with rows and columns exchanged, in memory of its own.
    ///
    /// - Throws: `ModelError` for block formats: their blocks lie along the rows.
    fileprivate func transposed() throws -> WeightTensor {
        guard type.blockValues == 1 else {
            throw ModelError(
                .badTensor, received: "tensor '\(name)' of type \(type)",
                remedy: "expected F32, F16 or BF16 for a matrix that is stored transposed; use another file")
        }
        let size = type.blockBytes
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 64)
        defer { memory.deallocate() }
        withUnsafeBytes { source in
            for row in 0..<rows {
                for column in 0..<columns {
                    for byte in 0..<size {
                        memory[(column * rows + row) * size + byte] = source[(row * columns + column) * size + byte]
                    }
                }
            }
        }
        releasePages()
        return try WeightTensor(
            name: name, type: type, shape: shape.reversed(), storage: WeightBuffer(copying: .init(memory)))
    }
}

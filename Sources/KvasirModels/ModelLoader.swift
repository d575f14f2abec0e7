public import KvasirNumerics
public import KvasirWeights

/// The families, by the name a checkpoint gives.
///
/// Adding one is adding a file and its line to `families`.
public enum ModelLoader {
    private static let families: [ModelFamily] = [.llama, .qwen2, .qwen3, .gemma3, .gpt2, .opt]

    /// The names of all families in a format.
    public static func architectures(_ format: Checkpoint.Format) -> [String] {
        families.flatMap { format == .gguf ? $0.ggufArchitectures : $0.modelTypes }
    }

    /// Loads a model: reads its numbers, checks every tensor, repacks the weights.
    ///
    /// - Parameters:
    ///   - conversion: what becomes of the matrices of the layers; nil if they stay as the file has them.
    /// - Throws: `ModelError` for a family or feature that is not supported and for numbers that contradict the tensors;
    ///   `GGUFError`, `WeightError` and what else the checkpoint throws for what is wrong with its files.
    public static func load(
        _ checkpoint: Checkpoint, conversion: WeightConversion? = nil, threads: ThreadPool
    ) throws -> DecoderModel {
        try family(of: checkpoint).load(checkpoint, LoadSettings(threads: threads, conversion: conversion))
    }

    /// Reads the sizes and names of a model; keeps no weight.
    ///
    /// - Throws: as `load`, for what the numbers show.
    public static func info(_ checkpoint: Checkpoint) throws -> ModelInfo {
        try family(of: checkpoint).info(checkpoint)
    }

    /// Loads the model of a GGUF file.
    public static func load(_ file: GGUFFile, threads: ThreadPool) throws -> DecoderModel {
        try load(Checkpoint(file), threads: threads)
    }

    /// Reads the sizes and names of the model in a GGUF file.
    public static func info(_ file: GGUFFile) throws -> ModelInfo { try info(Checkpoint(file)) }

    private static func family(of checkpoint: Checkpoint) throws(ModelError) -> ModelFamily {
        let family = families.first {
            (checkpoint.format == .gguf ? $0.ggufArchitectures : $0.modelTypes).contains(checkpoint.architecture)
        }
        guard let family else {
            throw ModelError(
                .unsupportedArchitecture, received: "\(checkpoint.architectureKey) = \(checkpoint.architecture)",
                remedy: "this model family is not supported; supported: "
                    + architectures(checkpoint.format).joined(separator: ", "))
        }
        return family
    }
}

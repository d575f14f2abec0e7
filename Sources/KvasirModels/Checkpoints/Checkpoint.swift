public import KvasirWeights

/// A model as files hold it: tensors, what is said of them, and the format that decides how both are spelled.
///
/// Families read it by role (`MetadataKey`, `TensorNames.Role`) and see no format, except where formats store different
/// numbers for the same thing.
public struct Checkpoint: Sendable {
    /// How the files are written.
    public enum Format: Sendable, Hashable {
        /// A GGUF file.
        case gguf
        /// A folder with config.json and safetensors.
        case huggingFace
    }

    /// How the files are written.
    public let format: Format
    /// The family as the files name it: GGUF's `general.architecture`, or `model_type` of a config.json.
    public let architecture: String
    /// The model's name.
    public let name: String
    /// The tensors; their shapes have the contiguous dimension first in both formats.
    public let tensors: any WeightSource
    /// The numbers.
    public let metadata: any CheckpointMetadata

    /// The key that holds `architecture`.
    var architectureKey: String { format == .gguf ? "general.architecture" : "model_type" }

    /// Takes a GGUF file.
    ///
    /// - Throws: `GGUFError` if it does not name its architecture.
    public init(_ file: GGUFFile) throws(GGUFError) {
        format = .gguf
        architecture = try file.metadata.string(forKey: "general.architecture")
        name = try file.metadata.string(ifPresent: "general.name") ?? "unnamed"
        tensors = file
        metadata = file.metadata
    }

    /// Takes the parts of a Hugging Face model folder.
    ///
    /// - Parameters:
    ///   - tensors: the tensors of its safetensors files.
    ///   - configuration: its config.json.
    ///   - name: what to call the model, its folder's name for example.
    /// - Throws: `ModelError` if config.json has no `model_type`, and what the configuration throws if that is no string.
    public init(huggingFace tensors: any WeightSource, configuration: any CheckpointMetadata, name: String) throws {
        format = .huggingFace
        guard let type = try configuration.string(ifPresent: "model_type") else {
            throw ModelError(
                .badMetadata, received: "model_type", remedy: "is missing from config.json; the folder is incomplete")
        }
        architecture = type
        self.name = name
        self.tensors = tensors
        metadata = configuration
    }
}

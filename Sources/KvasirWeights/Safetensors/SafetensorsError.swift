/// A safetensors file, or a folder of them, that cannot be used, and the place where that shows.
public struct SafetensorsError: Error, Hashable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Reason: Sendable, Hashable {
        /// A file cannot be opened or mapped.
        case unreadable
        /// A file that the folder's index names, or the weights as such, are not there.
        case missingFile
        /// The header's length is impossible, so this is no safetensors file.
        case notSafetensors
        /// A length or offset reaches beyond the end of the file.
        case truncated
        /// The header is not the JSON the format demands.
        case malformed
        /// Two tensors have the same name.
        case duplicate
        /// Two tensors share bytes.
        case overlap
        /// Bytes that no tensor has.
        case gap
        /// A tensor type this reader cannot convert.
        case unsupportedTensorType
        /// The weights are there only as a pickle, which runs code when it is read.
        case pickle
        /// The index and the files contradict each other.
        case inconsistentIndex

        var remedy: String {
            switch self {
            case .unreadable: "give the path of a readable file"
            case .missingFile: "fetch the folder again, with all files the index names"
            case .notSafetensors: "give a model in safetensors format"
            case .truncated: "the file is truncated or damaged, fetch it again"
            case .malformed, .duplicate, .overlap, .gap: "the file is damaged, fetch it again"
            case .unsupportedTensorType: "use a model with tensors of the types F32 F16 BF16"
            case .pickle:
                "convert it where you trust it, in Python: model = AutoModelForCausalLM.from_pretrained(DIR); "
                    + "model.save_pretrained(OUT, safe_serialization=True)"
            case .inconsistentIndex: "fetch the folder again, index and files from the same version"
            }
        }
    }

    /// The file, as its path was given.
    public let path: String
    /// What kind of failure it is.
    public let reason: Reason
    /// The part of the file that shows it, such as `tensor 'lm_head.weight' shape`.
    public let field: String
    /// The byte offset of that part in the file, where there is one.
    public let offset: Int?
    /// What was found there.
    public let found: String

    /// One line: what was received, and what to do.
    public var description: String {
        let place = offset.map { " (byte \($0))" } ?? ""
        return onOneLine("\(path): \(field)\(place): \(found); \(reason.remedy)")
    }
}

/// A GGUF file that cannot be used, and the place where that shows.
public struct GGUFError: Error, Hashable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Reason: Sendable, Hashable {
        /// The file cannot be opened or mapped.
        case unreadable
        /// The file does not begin as a GGUF file does.
        case notGGUF
        /// A GGUF version other than 2 and 3.
        case unsupportedVersion
        /// A big-endian file.
        case unsupportedByteOrder
        /// A count, length or offset reaches beyond the end of the file.
        case truncated
        /// A field has a value the format does not allow.
        case malformed
        /// Two keys or two tensors have the same name.
        case duplicate
        /// Two tensors share bytes.
        case overlap
        /// A tensor does not start at a multiple of the alignment.
        case misaligned
        /// A tensor type this reader cannot convert.
        case unsupportedTensorType
        /// The metadata lack a key.
        case missingKey
        /// A metadata value has another type than the one asked for.
        case wrongType

        var remedy: String {
            switch self {
            case .unreadable: "give the path of a readable file"
            case .notGGUF: "give a model in GGUF format"
            case .unsupportedVersion: "convert the model to GGUF version 3"
            case .unsupportedByteOrder: "convert the model to little-endian GGUF"
            case .truncated: "the file is truncated or damaged, fetch it again"
            case .malformed, .duplicate, .overlap, .misaligned: "the file is damaged, fetch it again"
            case .unsupportedTensorType:
                "use a file with tensors of the types \(TensorType.allCases.map(\.name).joined(separator: " "))"
            case .missingKey, .wrongType: "convert the model again with a current converter"
            }
        }
    }

    /// The file, as its path was given.
    public let path: String
    /// What kind of failure it is.
    public let reason: Reason
    /// The part of the file that shows it, such as `tensor 'output.weight' dimension 1`.
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

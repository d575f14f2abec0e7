/// What a user may write where a model is wanted.
public enum ModelReference: Sendable, Hashable, CustomStringConvertible {
    /// A name or alias of the catalog: `smollm2-135m`.
    case catalog(CatalogModel)
    /// A repository of the Hugging Face hub, or one file of it: `hf:OWNER/REPO[:FILE]`.
    case hub(HubReference)
    /// A file on this machine, or a folder.
    case path(String)

    /// Reads a reference as a user writes it.
    ///
    /// A catalog name wins over a file of the same name in the working directory; `./NAME` means the file.
    ///
    /// - Parameters:
    ///   - text: What the user wrote.
    ///   - catalog: The names that are known.
    /// - Throws: `HubError` if the text is empty, a URL, or a malformed `hf:` reference.
    public init(_ text: String, catalog: ModelCatalog = .builtIn) throws(HubError) {
        if let hub = try HubReference(text) {
            self = .hub(hub)
        } else if let model = catalog.model(named: text) {
            self = .catalog(model)
        } else if text.isEmpty || text.contains("://") || text.utf8.contains(0) {
            throw HubError(
                .malformedReference, received: "'\(text)' does not name a model",
                remedy:
                    "give a name (\(catalog.defaultModel.name)), hf:OWNER/REPO[:FILE], or the path of a GGUF file or a model folder"
            )
        } else {
            self = .path(text)
        }
    }

    /// The reference as a user would write it.
    public var description: String {
        switch self {
        case .catalog(let model): model.name
        case .hub(let hub): hub.description
        case .path(let path): path
        }
    }
}

/// A repository of the Hugging Face hub, or one file of it.
public struct HubReference: Sendable, Hashable, CustomStringConvertible {
    /// The user or organization.
    public let owner: String
    /// The name of the repository.
    public let repository: String
    /// The path of the file inside the repository; nil to take its only GGUF file, or its model folder.
    public let file: String?

    private static let scheme = "hf:"

    /// Reads `hf:OWNER/REPO[:FILE]`; nil if `text` does not begin with `hf:`.
    ///
    /// - Throws: `HubError` if it does but the rest is malformed, or the file name would leave the store.
    init?(_ text: String) throws(HubError) {
        guard text.hasPrefix(Self.scheme) else { return nil }
        let rest = text.dropFirst(Self.scheme.count)
        let parts = rest.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let names = parts[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard names.count == 2, names.allSatisfy(Self.isRepositoryName) else {
            let fileSlash = names.count > 2 && names.allSatisfy { !$0.isEmpty }
            let example =
                fileSlash
                ? "hf:\(names[0])/\(names[1]):\(names[2...].joined(separator: "/"))" : "hf:OWNER/REPO[:FILE]"
            throw HubError(
                .malformedReference, received: "'\(text)' is not a reference to a hub repository",
                remedy: "write \(example)")
        }
        let file = parts.count == 2 ? String(parts[1]) : nil
        if let file {
            guard !file.isEmpty else {
                throw HubError(
                    .malformedReference, received: "'\(text)' names no file after the colon",
                    remedy: "write hf:\(names[0])/\(names[1]) or hf:\(names[0])/\(names[1]):FILE")
            }
            try Self.requireSafe(file: file)
        }
        self.init(owner: names[0], repository: names[1], file: file)
    }

    private init(owner: String, repository: String, file: String?) {
        self.owner = owner
        self.repository = repository
        self.file = file
    }

    /// The reference as a user would write it.
    public var description: String {
        "\(Self.scheme)\(owner)/\(repository)" + (file.map { ":\($0)" } ?? "")
    }

    /// Returns the same repository with a file named.
    ///
    /// - Throws: `HubError` if the name would leave the store.
    func naming(file: String) throws(HubError) -> HubReference {
        try Self.requireSafe(file: file)
        return HubReference(owner: owner, repository: repository, file: file)
    }

    /// The hub's rule for owners and repositories, which also keeps them to one directory each.
    private static func isRepositoryName(_ name: String) -> Bool {
        guard let first = name.utf8.first, name.utf8.count <= 96 else { return false }
        let permitted = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        return permitted && first != UInt8(ascii: ".") && first != UInt8(ascii: "-")
    }

    /// Refuses a file name that is absolute, climbs out of the repository, or that no file system stores.
    ///
    /// The name may come from a server, and becomes part of a path in the store.
    private static func requireSafe(file: String) throws(HubError) {
        let components = file.split(separator: "/", omittingEmptySubsequences: false)
        let isSafe =
            file.utf8.count <= 1024
            && components.allSatisfy { !["", ".", ".."].contains($0) && $0.utf8.count <= 255 }
            && file.unicodeScalars.allSatisfy { $0 != "\\" && $0.value >= 0x20 && $0.value != 0x7F }
        guard isSafe else {
            let shown = String(file.unicodeScalars.map { $0.value >= 0x20 && $0.value != 0x7F ? Character($0) : "?" })
            throw HubError(
                .unsafeFileName, received: "the file name '\(shown.prefix(200))' could leave the model store",
                remedy: "name a file by its path inside the repository, without '..' and without a leading '/'")
        }
    }
}

import Foundation

/// Where things lie in the store.
///
///     ROOT/catalog/FILE            a model of the catalog
///     ROOT/hf/OWNER/REPO/FILE      a file of the hub
///     ROOT/.records/KEY.json       what is known of a model: hash, date of verification
///     ROOT/.staging/KEY/           a transfer under way, or one that was interrupted
///     ROOT/.staging/KEY.lock       held while a process works in KEY/
///
/// Only finished and verified files lie under `catalog` and `hf`, and everything is on one file system, so that the
/// last step of a pull is a rename. The key of a model is part of its name and a hash of its whole reference, so no
/// two references share one, and none can leave the store.
struct StoreLayout: Sendable {
    let root: String

    var catalogDirectory: String { "\(root)/catalog" }
    var hubDirectory: String { "\(root)/hf" }

    func modelPath(_ model: CatalogModel) -> String { "\(catalogDirectory)/\(model.fileName)" }

    func modelPath(_ reference: HubReference, file: String) -> String {
        "\(hubDirectory)/\(reference.owner)/\(reference.repository)/\(file)"
    }

    func recordPath(_ key: String) -> String { "\(root)/.records/\(key).json" }
    func stagingDirectory(_ key: String) -> String { "\(root)/.staging/\(key)" }
    func lockPath(_ key: String) -> String { "\(root)/.staging/\(key).lock" }

    /// Returns the name under which a reference has its records and its staging directory.
    static func key(_ reference: String) -> String {
        let readable = reference.split(separator: "/").last.map(String.init) ?? reference
        let plain = readable.unicodeScalars.filter { scalar in
            scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
                || ["-", "_"].contains(scalar)
        }
        return "\(String(String.UnicodeScalarView(plain.prefix(64))))-\(Checksum.sha256(of: reference).prefix(16))"
    }

    /// Moves a finished file to its place, after its record, so that whatever is in place has one.
    func place(_ staged: String, at path: String, key: String, record: ModelRecord) throws(HubError) {
        try synchronizeFile(staged)
        try createDirectories((path as NSString).deletingLastPathComponent)
        try record.write(to: recordPath(key))
        try renameFile(staged, to: path)
        try removeTree(stagingDirectory(key))
    }
}

/// What the store remembers of a model or a repository.
struct ModelRecord: Codable, Equatable, Sendable {
    /// The SHA-256 the file was verified against; nil if the server named none.
    var sha256: String?
    /// When the hash of the file was found right.
    var verified: Date?
    /// For a repository named without a file: the only GGUF file it holds.
    var onlyFile: String?
    /// For a repository whose model is a folder of safetensors: its files, once all have been fetched.
    var folder: [String]?

    /// Reads a record; nil if there is none or it is not readable, as a record is never needed.
    init?(path: String) {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        guard let data = FileManager.default.contents(atPath: path),
            let record = try? decoder.decode(ModelRecord.self, from: data)
        else { return nil }
        self = record
    }

    init(sha256: String? = nil, verified: Date? = nil, onlyFile: String? = nil, folder: [String]? = nil) {
        self.sha256 = sha256
        self.verified = verified
        self.onlyFile = onlyFile
        self.folder = folder
    }

    func write(to path: String) throws(HubError) {
        try createDirectories((path as NSString).deletingLastPathComponent)
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        do {
            try replaceFile(path, with: Array(encoder.encode(self)))
        } catch let error as HubError {
            throw error
        } catch {
            throw HubError(
                .fileFailed, received: "cannot encode the record \(path): \(error)",
                remedy: "check that the file name is valid Unicode")
        }
    }
}

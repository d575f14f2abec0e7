/// A failure to find, fetch, verify or store a model.
///
/// `description` is one line: what was received, and what to do.
public struct HubError: Error, Equatable, CustomStringConvertible {
    /// What kind of failure it is; for tests and exit codes, not for display.
    public struct Reason: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String {
            case unknownModel, malformedReference, fileMissing, invalidEndpoint
            case noCacheDirectory, directoryNotWritable, diskFull, fileFailed
            case pythonMissing, pipMissing, pipFailed
            case networkUnreachable, connectionNotSecure, unauthorized, forbidden, notFound, rateLimited, serverFailed,
                unexpectedResponse
            case noModelFile, severalModelFiles, unsafeFileName
            case hashMismatch, sizeMismatch, interrupted
        }

        private let kind: Kind

        private init(_ kind: Kind) { self.kind = kind }

        /// The name of the reason.
        public var description: String { kind.rawValue }

        /// The name is neither in the catalog nor a file.
        public static let unknownModel = Reason(.unknownModel)
        /// The text is no reference to a model.
        public static let malformedReference = Reason(.malformedReference)
        /// The path names no file.
        public static let fileMissing = Reason(.fileMissing)
        /// `HF_ENDPOINT` is not the address of a server.
        public static let invalidEndpoint = Reason(.invalidEndpoint)
        /// The environment says nowhere to keep models.
        public static let noCacheDirectory = Reason(.noCacheDirectory)
        /// The cache directory cannot be created or written.
        public static let directoryNotWritable = Reason(.directoryNotWritable)
        /// The file system is full, or the quota used up.
        public static let diskFull = Reason(.diskFull)
        /// Any other failure to read or write a file.
        public static let fileFailed = Reason(.fileFailed)
        /// There is no `python3` on `PATH`.
        public static let pythonMissing = Reason(.pythonMissing)
        /// This `python3` has no pip.
        public static let pipMissing = Reason(.pipMissing)
        /// pip ended with a failure, or brought something else than was asked for.
        public static let pipFailed = Reason(.pipFailed)
        /// No name resolution, no route, connection refused, or a time limit.
        public static let networkUnreachable = Reason(.networkUnreachable)
        /// The server's certificate is not trusted, or it does not speak TLS.
        public static let connectionNotSecure = Reason(.connectionNotSecure)
        /// The server wants a token, or does not accept the one sent (401).
        public static let unauthorized = Reason(.unauthorized)
        /// The token does not give access (403).
        public static let forbidden = Reason(.forbidden)
        /// No such repository or file (404).
        public static let notFound = Reason(.notFound)
        /// Too many requests (429).
        public static let rateLimited = Reason(.rateLimited)
        /// The server failed (5xx).
        public static let serverFailed = Reason(.serverFailed)
        /// An answer the hub's protocol does not have.
        public static let unexpectedResponse = Reason(.unexpectedResponse)
        /// The repository holds no GGUF file.
        public static let noModelFile = Reason(.noModelFile)
        /// The repository holds several GGUF files, and none was named.
        public static let severalModelFiles = Reason(.severalModelFiles)
        /// A file name that would leave the store.
        public static let unsafeFileName = Reason(.unsafeFileName)
        /// The bytes are not those the catalog or the hub names.
        public static let hashMismatch = Reason(.hashMismatch)
        /// The file has another length than the catalog or the hub names.
        public static let sizeMismatch = Reason(.sizeMismatch)
        /// The transfer ended early; what arrived is kept.
        public static let interrupted = Reason(.interrupted)
    }

    /// The kind of failure.
    public let reason: Reason
    /// What was received, asked for or observed.
    public let received: String
    /// What to do about it.
    public let remedy: String

    /// Creates an error; line breaks in `received` become spaces.
    public init(_ reason: Reason, received: String, remedy: String) {
        self.reason = reason
        self.received = received.split(whereSeparator: \.isNewline).joined(separator: " ")
        self.remedy = remedy
    }

    /// One line: what was received, and what to do.
    public var description: String { "\(received); \(remedy)" }

    /// Whether asking again a little later can succeed.
    var isTransient: Bool {
        [.networkUnreachable, .rateLimited, .serverFailed, .interrupted].contains(reason)
    }
}

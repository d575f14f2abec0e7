/// A session that cannot be saved, restored or erased.
public struct SessionError: Error, Equatable, CustomStringConvertible {
    /// What is wrong, without the values.
    public struct Reason: Sendable, Hashable {
        private enum Kind {
            case badName, badDirectory, notFound, unreadable, damaged, otherVersion, mismatch, nothingToSave,
                unwritable,
                noSpace, overBudget, shutDown, unsupportedCache
        }
        private let kind: Kind

        /// The name is none that a session can have.
        public static let badName = Reason(kind: .badName)
        /// The directory of the sessions cannot be used.
        public static let badDirectory = Reason(kind: .badDirectory)
        /// There is no session of the name.
        public static let notFound = Reason(kind: .notFound)
        /// The system does not let the file be read.
        public static let unreadable = Reason(kind: .unreadable)
        /// The file is no session, is cut off, or has other bytes than were written.
        public static let damaged = Reason(kind: .damaged)
        /// The file was written by another version of the format.
        public static let otherVersion = Reason(kind: .otherVersion)
        /// The file is of another model, or of a cache that is stored or computed in another way.
        public static let mismatch = Reason(kind: .mismatch)
        /// Nothing of the tokens is cached, not one whole page.
        public static let nothingToSave = Reason(kind: .nothingToSave)
        /// The file cannot be written.
        public static let unwritable = Reason(kind: .unwritable)
        /// Pages of the cache change after they are full.
        public static let unsupportedCache = Reason(kind: .unsupportedCache)
        /// The disk, or the quota, is full.
        public static let noSpace = Reason(kind: .noSpace)
        /// The cache has no room for the session.
        public static let overBudget = Reason(kind: .overBudget)
        /// The server is shutting down.
        public static let shutDown = Reason(kind: .shutDown)
    }

    /// What is wrong.
    public let reason: Reason
    /// What was received.
    public let received: String
    /// What to do.
    public let remedy: String

    /// Creates an error.
    public init(_ reason: Reason, received: String, remedy: String) {
        self.reason = reason
        self.received = received
        self.remedy = remedy
    }

    /// One line: what was received, and what to do.
    public var description: String { "\(received): \(remedy)" }
}

/// A calibration that cannot be made, written, read, or used with this model.
public struct CalibrationError: Error, Equatable, CustomStringConvertible {
    /// What is wrong, without the values.
    public struct Reason: Sendable, Hashable {
        private enum Kind { case unreadable, malformed, otherKind, otherModel, unwritable, impossible }
        private let kind: Kind

        /// The file cannot be read.
        public static let unreadable = Reason(kind: .unreadable)
        /// The file is no calibration, is damaged, or is of another version.
        public static let malformed = Reason(kind: .malformed)
        /// The file holds something else than what is needed.
        public static let otherKind = Reason(kind: .otherKind)
        /// The file was made for another model.
        public static let otherModel = Reason(kind: .otherModel)
        /// The file cannot be written.
        public static let unwritable = Reason(kind: .unwritable)
        /// The measurement cannot be carried out as asked for.
        public static let impossible = Reason(kind: .impossible)
    }

    /// What is wrong.
    public let reason: Reason
    /// What was received.
    public let received: String
    /// What to do.
    public let remedy: String

    /// Creates an error.
    package init(_ reason: Reason, received: String, remedy: String) {
        self.reason = reason
        self.received = received
        self.remedy = remedy
    }

    /// One line: what was received, and what to do.
    public var description: String { "\(received): \(remedy)" }
}

/// A request that is not served.
public struct ServingError: Error, Equatable, CustomStringConvertible {
    /// What is wrong, without the values.
    public struct Reason: Sendable, Hashable {
        private enum Kind { case invalidRequest, tooLarge, busy, deadline, shutDown }
        private let kind: Kind

        /// Nothing can ever come of the request as it is.
        public static let invalidRequest = Reason(kind: .invalidRequest)
        /// Prompt and answer together are more than the context or the cache budget holds.
        public static let tooLarge = Reason(kind: .tooLarge)
        /// Too many requests are waiting already; later it may be served.
        public static let busy = Reason(kind: .busy)
        /// The request's deadline has passed.
        public static let deadline = Reason(kind: .deadline)
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

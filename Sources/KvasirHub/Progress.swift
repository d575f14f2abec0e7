/// How far a pull has come.
public struct PullProgress: Sendable, Hashable {
    /// What a pull is doing.
    public enum Phase: String, Sendable, Hashable, CaseIterable {
        /// Another process is fetching the same model.
        case waiting
        /// Bytes arrive from the network.
        case downloading
        /// The model is taken out of the archive it came in.
        case unpacking
        /// The hash of the file is computed.
        case verifying
    }

    /// What the pull is doing.
    public var phase: Phase
    /// The name of the file.
    public var name: String
    /// Bytes done in this phase, those of an earlier interrupted run included.
    public var receivedBytes: Int64
    /// Bytes this phase will take, where that is known.
    public var totalBytes: Int64?

    /// Creates a state of a pull.
    public init(phase: Phase, name: String, receivedBytes: Int64 = 0, totalBytes: Int64? = nil) {
        self.phase = phase
        self.name = name
        self.receivedBytes = receivedBytes
        self.totalBytes = totalBytes
    }
}

/// Receives the states of a pull in order, possibly many a second, on any thread.
public typealias PullProgressHandler = @Sendable (PullProgress) -> Void

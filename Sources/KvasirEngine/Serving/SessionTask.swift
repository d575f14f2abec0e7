internal import KvasirCache

/// What the serving thread does for a session: it alone knows which pages there are.
enum SessionTask: Sendable {
    /// Tokens whose pages are wanted, or those of the last request of a session, and who is told of them.
    case snapshot(SessionName, tokens: [Int32]?, @Sendable (Result<Snapshot, SessionError>) -> Void)
    /// Pages to be kept.
    case restore(SessionImage, @Sendable (Result<Void, SessionError>) -> Void)

    /// What is cached of a sequence.
    struct Snapshot: Sendable {
        let tokens: [Int32]
        let pages: CacheSnapshot
    }
}

/// The tokens of the last request of each session, for those who save one without saying what is in it.
struct SessionNotes {
    private var tokens: [SessionName: [Int32]] = [:]
    /// From the one noted longest ago.
    private var order: [SessionName] = []
    private let limit: Int

    init(limit: Int = 256) { self.limit = limit }

    subscript(name: SessionName) -> [Int32]? { tokens[name] }

    /// Notes a session's tokens; the one noted longest ago is forgotten if there are too many.
    mutating func note(_ name: SessionName, _ sequence: [Int32]) {
        order.removeAll { $0 == name }
        order.append(name)
        tokens[name] = sequence
        if order.count > limit { tokens[order.removeFirst()] = nil }
    }
}

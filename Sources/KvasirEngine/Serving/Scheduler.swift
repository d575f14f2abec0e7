internal import KvasirCodecs

/// Decides what the next step computes: which requests wait, which are computed, which lose their cache.
///
/// A value without clocks, threads or memory: events go in, decisions come out. Every request that is being decoded has one
/// row in every step, oldest first; what is left of a step's rows goes to the prompts, first come, first served, so that a
/// long prompt never holds up running streams. Memory is promised by whole prompts; where decoding outgrows it, the
/// youngest request gives its cache back and waits at the head of the queue to be computed again.
public struct Scheduler: Sendable {
    /// What names a request.
    public typealias ID = UInt64

    /// What bounds the work.
    public struct Limits: Sendable, Hashable {
        /// Requests that are computed side by side.
        public var running = 64
        /// Requests that may wait.
        public var waiting = 256
        /// Rows of a step, tokens of all requests together: more than `running` by `alignment` at least, so that prompts
        /// get ahead beside any number of streams.
        public var rows = 128
        /// Prompts are cut at multiples of this: at the ends of pages, where another request's can be taken over.
        public var alignment = PageGeometry.tokens

        /// The defaults.
        public init() {}
    }

    /// What memory there is, in bytes.
    public struct Memory {
        /// What can be had now, prefixes that could be given up included.
        public var available: Int
        /// The most that a sequence holds on the way to so many tokens, not shared with any other.
        public var cost: (_ tokens: Int) -> Int
        /// What a sequence of so many tokens holds between steps.
        public var held: (_ tokens: Int) -> Int
        /// What one step takes that leads a sequence from so many tokens to so many.
        public var step: (_ start: Int, _ end: Int) -> Int
        /// Bytes at the beginning of a waiting request that others hold anyway.
        public var shared: (ID) -> Int

        /// Describes memory.
        ///
        /// - Parameters:
        ///   - held: as `cost` if nil: nothing comes back after a step.
        ///   - step: the difference of costs if nil.
        public init(
            available: Int, cost: @escaping (Int) -> Int, held: ((Int) -> Int)? = nil,
            step: ((Int, Int) -> Int)? = nil, shared: @escaping (ID) -> Int = { _ in 0 }
        ) {
            self.available = available
            self.cost = cost
            self.held = held ?? cost
            self.step = step ?? { cost($1) - cost($0) }
            self.shared = shared
        }
    }

    /// Some of a request's tokens, to be computed in a step.
    public struct Share: Sendable, Hashable {
        /// The request.
        public let id: ID
        /// Tokens after those that are computed.
        public let tokens: Int
    }

    /// What to do next.
    public enum Decision: Sendable, Hashable {
        /// Compute a step: decoding requests first, a row each, then prompts. Then call `computed`.
        case run([Share])
        /// Give the request's cache back, and ask again.
        case preempt(ID)
        /// Nothing can be done: nobody is there, or the only request there is does not fit.
        case idle
    }

    private struct Entry {
        let id: ID
        /// Tokens to be computed before the next can be chosen.
        var tokens: Int
        var computed = 0

        var rest: Int { tokens - computed }
    }

    /// What bounds the work.
    public let limits: Limits
    /// In the order in which they came.
    private var waiting: [Entry] = []
    /// In the order in which they were taken up.
    private var running: [Entry] = []

    /// Nobody is there.
    public init(limits: Limits = Limits()) {
        precondition(
            limits.running > 0 && limits.rows >= limits.running + limits.alignment,
            "every running request has a row in every step, and a prompt some")
        self.limits = limits
    }

    /// Requests that wait.
    public var waitingCount: Int { waiting.count }
    /// Requests that are computed.
    public var runningCount: Int { running.count }

    /// The request that has been computed for the longest time.
    public var oldestRunning: ID? { running.first?.id }

    /// Takes a request with a prompt of `tokens` tokens.
    ///
    /// - Returns: whether there is a place for it.
    public mutating func submit(_ id: ID, tokens: Int) -> Bool {
        guard waiting.count < limits.waiting else { return false }
        waiting.append(Entry(id: id, tokens: tokens))
        return true
    }

    /// Forgets a request, wherever it is.
    public mutating func remove(_ id: ID) {
        waiting.removeAll { $0.id == id }
        running.removeAll { $0.id == id }
    }

    /// Counts tokens of a running request as computed: those of a step, and those that were found in memory.
    public mutating func computed(_ id: ID, tokens: Int) {
        guard let index = running.firstIndex(where: { $0.id == id }) else { return }
        running[index].computed += tokens
    }

    /// Adds the token that was chosen to what is to be computed.
    public mutating func chose(_ id: ID) {
        guard let index = running.firstIndex(where: { $0.id == id }) else { return }
        running[index].tokens += 1
    }

    /// Decides what to do next.
    public mutating func next(_ memory: Memory) -> Decision {
        var available = memory.available
        var shares: [Share] = []
        var rows = limits.rows
        // Those that decode: one token each, memory first of all for them.
        for entry in running where entry.computed > 0 && entry.rest == 1 {
            let need = memory.step(entry.computed, entry.tokens)
            guard need <= available else {
                // The youngest of all; if that is the one in need, it waits for the others.
                guard let last = running.last, running.count > 1 else { return .idle }
                preempt(last.id)
                return .preempt(last.id)
            }
            available -= need
            shares.append(Share(id: entry.id, tokens: 1))
            rows -= 1
        }
        admit(memory, available: available)
        for entry in running where !(entry.computed > 0 && entry.rest == 1) && entry.rest > 0 {
            guard rows > 0 else { break }
            var end = entry.computed + min(entry.rest, rows)
            if end < entry.tokens { end = end / limits.alignment * limits.alignment }
            while end > entry.computed, memory.step(entry.computed, end) > available {
                end = (end - 1) / limits.alignment * limits.alignment
            }
            // Memory was promised to whole prompts; what others have taken since comes back when they end.
            guard end > entry.computed else { break }
            let tokens = end - entry.computed
            available -= memory.step(entry.computed, end)
            shares.append(Share(id: entry.id, tokens: tokens))
            rows -= tokens
        }
        if shares.isEmpty, running.count > 1, let last = running.last {
            // Prompts that hold one another's memory.
            preempt(last.id)
            return .preempt(last.id)
        }
        return shares.isEmpty ? .idle : .run(shares)
    }

    /// Takes up waiting requests as long as their whole prompts, and a page more, find room beside those promised to others.
    private mutating func admit(_ memory: Memory, available: Int) {
        var free = available - running.reduce(0) { $0 + max(memory.cost($1.tokens) - memory.held($1.computed), 0) }
        while let first = waiting.first, running.count < limits.running {
            let need = memory.cost(first.tokens + 1) - memory.shared(first.id)
            guard need <= free || running.isEmpty else { return }
            free -= need
            running.append(waiting.removeFirst())
        }
    }

    /// Puts a running request at the head of the queue, nothing of it computed.
    private mutating func preempt(_ id: ID) {
        guard let index = running.firstIndex(where: { $0.id == id }) else { return }
        var entry = running.remove(at: index)
        entry.computed = 0
        waiting.insert(entry, at: 0)
    }
}

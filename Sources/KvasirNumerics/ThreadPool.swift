internal import CKvasir
internal import Foundation
internal import Synchronization

/// Work that can be cut into items, each done by whichever thread comes first.
///
/// A conforming type is a small struct of pointers and sizes: it names everything the threads share. Passing it through
/// `ThreadPool.run` allocates nothing.
public protocol ParallelWork {
    /// Does one item; `worker` is below the pool's thread count and identifies scratch memory of the calling thread.
    func perform(item: Int, worker: Int)

    /// Does one item of the value at `address`; the default is the only sensible implementation.
    ///
    /// It is what lets the pool hold any work as an address and a type, without a box.
    static func perform(at address: UnsafeRawPointer, item: Int, worker: Int)
}

extension ParallelWork {
    /// Does one item of the value at `address`.
    @inlinable
    public static func perform(at address: UnsafeRawPointer, item: Int, worker: Int) {
        address.assumingMemoryBound(to: Self.self).pointee.perform(item: item, worker: worker)
    }
}

/// A fixed set of threads that share the items of one piece of work at a time.
///
/// Items are claimed one by one from a shared counter and the caller takes part, so a thread that the system has
/// descheduled holds up at most the item it had claimed: the others do the rest, and nobody waits for a thread that has
/// claimed nothing. Threads spin for some tens of microseconds between pieces of work and then sleep.
///
/// One piece of work runs at a time: `run` is called by one thread at a time and never from inside an item.
public final class ThreadPool: Sendable {
    /// The number of threads that work, the caller's included.
    public let threadCount: Int

    private let board: JobBoard

    /// The number of threads used when none is asked for: the processors this process may run on.
    public static var defaultThreadCount: Int { ProcessInfo.processInfo.activeProcessorCount }

    /// Starts `threadCount - 1` threads.
    ///
    /// - Throws: `ThreadPoolError` if the count is below 1 or above the processors of this machine.
    public init(threadCount: Int = ThreadPool.defaultThreadCount) throws(ThreadPoolError) {
        let available = Self.defaultThreadCount
        guard threadCount >= 1, threadCount <= available else {
            throw ThreadPoolError(received: threadCount, available: available)
        }
        self.threadCount = threadCount
        let board = JobBoard()
        self.board = board
        for worker in 1..<max(threadCount, 1) {
            let thread = Thread { board.serve(worker: worker) }
            thread.name = "kvasir-\(worker)"
            thread.stackSize = 1 << 20
            thread.start()
        }
    }

    deinit { board.close() }

    /// Performs items `0..<count` of `work` on all threads and returns when all are done.
    ///
    /// - Complexity: about a microsecond plus the items; allocates nothing.
    public func run<Work: ParallelWork>(_ count: Int, _ work: Work) {
        precondition(count >= 0 && count <= UInt32.max)
        if count <= 1 || threadCount == 1 {
            for item in 0..<count { work.perform(item: item, worker: 0) }
            return
        }
        withUnsafePointer(to: work) { address in
            board.run(Job(address: UnsafeRawPointer(address), type: Work.self, count: count))
        }
    }

    /// Performs `body` for items `0..<count` on all threads and returns when all are done.
    ///
    /// The convenient form, for loading and other work outside the decode loop: it allocates its closure.
    public func run(_ count: Int, _ body: (_ item: Int, _ worker: Int) -> Void) {
        precondition(count >= 0 && count <= UInt32.max)
        if count <= 1 || threadCount == 1 {
            for item in 0..<count { body(item, 0) }
            return
        }
        withoutActuallyEscaping(body) { body in
            let work = ClosureWork(body: body)
            withUnsafePointer(to: work) { address in
                board.run(Job(address: UnsafeRawPointer(address), type: ClosureWork.self, count: count))
            }
        }
    }
}

private struct ClosureWork: ParallelWork {
    let body: (Int, Int) -> Void
    func perform(item: Int, worker: Int) { body(item, worker) }
}

/// A thread count that cannot be honoured.
public struct ThreadPoolError: Error, Equatable, CustomStringConvertible {
    /// The count that was asked for.
    public let received: Int
    /// The processors this process may run on.
    public let available: Int

    /// One line: what was received, and what to do.
    public var description: String {
        "cannot run \(received) threads on this machine: use 1 to \(available)"
    }
}

/// A piece of work without its type.
private struct Job {
    let address: UnsafeRawPointer
    let type: any ParallelWork.Type
    let count: Int
}

/// Where the caller posts a job and the threads claim its items.
private final class JobBoard: @unchecked Sendable {
    /// The job number in the upper 32 bits, the items not yet claimed in the lower 32.
    ///
    /// Both change in one compare-and-exchange, so a thread that wakes up late cannot claim an item of a job it has
    /// not seen; and while a claimed item is not finished the caller cannot post the next job, which is what makes it
    /// safe to read `job` after a claim.
    private let state = Atomic<UInt64>(0)
    private let unfinished = Atomic<Int>(0)
    private let sleepers = Atomic<Int>(0)
    private let callerSleeps = Atomic<Bool>(false)
    private let isClosed = Atomic<Bool>(false)
    private let condition = NSCondition()
    private var job: Job?

    /// About 50 microseconds: longer than the serial stretches inside a decode step, shorter than a time slice.
    private static let spins = 1_500

    func run(_ job: Job) {
        self.job = job
        unfinished.store(job.count, ordering: .relaxed)
        let number = (state.load(ordering: .relaxed) >> 32) &+ 1
        // Sequentially consistent, as is the count of sleepers: a thread that goes to sleep counts itself first and
        // then looks at the state again, so either it sees this job or it is seen and woken.
        state.store(number << 32 | UInt64(job.count), ordering: .sequentiallyConsistent)
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 { wake() }
        work(worker: 0)
        awaitUnfinished()
        self.job = nil
    }

    func serve(worker: Int) {
        while awaitItems() { work(worker: worker) }
    }

    func close() {
        isClosed.store(true, ordering: .sequentiallyConsistent)
        wake()
    }

    /// Claims and performs items until none is left.
    private func work(worker: Int) {
        var finished = 0
        var current = state.load(ordering: .acquiring)
        while UInt32(truncatingIfNeeded: current) > 0 {
            let (claimed, seen) = state.weakCompareExchange(
                expected: current, desired: current &- 1, ordering: .acquiringAndReleasing)
            guard claimed else {
                current = seen
                continue
            }
            if let job {
                let item = job.count - Int(UInt32(truncatingIfNeeded: current))
                job.type.perform(at: job.address, item: item, worker: worker)
            }
            finished += 1
            current = state.load(ordering: .acquiring)
        }
        // Reported at once at the end: as long as these are missing the caller cannot post another job, so all of them
        // belong to the one just claimed from.
        guard finished > 0 else { return }
        let left = unfinished.subtract(finished, ordering: .sequentiallyConsistent).newValue
        if left == 0, callerSleeps.load(ordering: .sequentiallyConsistent) { wake() }
    }

    private func awaitUnfinished() {
        for _ in 0..<Self.spins {
            if unfinished.load(ordering: .acquiring) == 0 { return }
            kv_spin_hint()
        }
        // Sleeping gives this processor to the thread that holds the last item, if the system had descheduled it.
        condition.lock()
        callerSleeps.store(true, ordering: .sequentiallyConsistent)
        while unfinished.load(ordering: .sequentiallyConsistent) > 0 { condition.wait() }
        callerSleeps.store(false, ordering: .sequentiallyConsistent)
        condition.unlock()
    }

    /// Returns true when there are items to claim, false when the pool is gone.
    private func awaitItems() -> Bool {
        for _ in 0..<Self.spins {
            if UInt32(truncatingIfNeeded: state.load(ordering: .acquiring)) > 0 { return true }
            if isClosed.load(ordering: .relaxed) { return false }
            kv_spin_hint()
        }
        condition.lock()
        defer { condition.unlock() }
        sleepers.add(1, ordering: .sequentiallyConsistent)
        defer { sleepers.subtract(1, ordering: .sequentiallyConsistent) }
        while UInt32(truncatingIfNeeded: state.load(ordering: .sequentiallyConsistent)) == 0 {
            if isClosed.load(ordering: .sequentiallyConsistent) { return false }
            condition.wait()
        }
        return true
    }

    private func wake() {
        condition.lock()
        condition.broadcast()
        condition.unlock()
    }
}

internal import Foundation
internal import Synchronization

/// Threads that do nothing but take processor time from everyone else, as other programs on a shared machine do.
final class BusyNeighbours: Sendable {
    private let isOver = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)

    /// Runs `body` beside `count` busy threads.
    static func with<Value>(_ count: Int, _ body: () throws -> Value) rethrows -> Value {
        let neighbours = BusyNeighbours()
        for _ in 0..<count {
            let thread = Thread { neighbours.spin() }
            thread.name = "neighbour"
            thread.start()
        }
        defer {
            neighbours.isOver.store(true, ordering: .relaxed)
            for _ in 0..<count { neighbours.ended.wait() }
        }
        // The system takes a few time slices to spread the threads over the processors.
        Thread.sleep(forTimeInterval: 0.05)
        return try body()
    }

    private func spin() {
        // No pause and no yield: a neighbour that gives way would not be one.
        while !isOver.load(ordering: .relaxed) {}
        ended.signal()
    }
}

import Foundation
import Testing

@testable import KvasirNumerics

private struct Mark: ParallelWork {
    let counts: UnsafeMutablePointer<Int32>
    let workers: UnsafeMutablePointer<Int32>

    func perform(item: Int, worker: Int) {
        // Not atomic on purpose: an item handed to two threads would be counted twice or be a data race.
        counts[item] += 1
        workers[item] = Int32(worker)
    }
}

@Suite struct ThreadPoolTests {
    @Test(arguments: 1...ThreadPool.defaultThreadCount)
    func everyItemIsDoneExactlyOnce(threads: Int) throws {
        let pool = try ThreadPool(threadCount: threads)
        for round in 0..<2_000 {
            let count = (round * 37) % 97
            var counts = [Int32](repeating: 0, count: max(count, 1))
            var workers = [Int32](repeating: -1, count: max(count, 1))
            counts.withUnsafeMutableBufferPointer { counts in
                workers.withUnsafeMutableBufferPointer { workers in
                    guard let counts = counts.baseAddress, let workers = workers.baseAddress else { return }
                    pool.run(count, Mark(counts: counts, workers: workers))
                }
            }
            #expect(counts.prefix(count).allSatisfy { $0 == 1 })
            #expect(workers.prefix(count).allSatisfy { $0 >= 0 && $0 < Int32(threads) })
        }
    }

    @Test func workPostedAfterTheThreadsFellAsleepIsDone() throws {
        let pool = try ThreadPool()
        for _ in 0..<20 {
            Thread.sleep(forTimeInterval: 0.003)
            let total = UnsafeMutablePointer<Int>.allocate(capacity: 64)
            defer { total.deallocate() }
            pool.run(64) { item, _ in total[item] = item }
            #expect((0..<64).allSatisfy { total[$0] == $0 })
        }
    }

    @Test func aSlowItemIsWaitedFor() throws {
        let pool = try ThreadPool()
        let done = UnsafeMutablePointer<Bool>.allocate(capacity: 8)
        defer { done.deallocate() }
        done.initialize(repeating: false, count: 8)
        pool.run(8) { item, worker in
            if worker > 0 || item == 7 { Thread.sleep(forTimeInterval: 0.005) }
            done[item] = true
        }
        #expect((0..<8).allSatisfy { done[$0] })
    }

    @Test(arguments: [0, -1, 100_000])
    func impossibleThreadCountsAreRefused(count: Int) {
        #expect(throws: ThreadPoolError(received: count, available: ThreadPool.defaultThreadCount)) {
            _ = try ThreadPool(threadCount: count)
        }
        let error = ThreadPoolError(received: count, available: 2)
        #expect(error.description == "cannot run \(count) threads on this machine: use 1 to 2")
    }
}

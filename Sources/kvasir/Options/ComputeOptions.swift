import ArgumentParser
import Foundation
import KvasirNumerics

/// What computes.
struct ComputeOptions: ParsableArguments {
    @Option(
        name: [.customLong("threads"), .customShort("t")],
        help: ArgumentHelp("Threads to compute with. (default: one per processor)", valueName: "count"))
    var threads: Int?

    func threadPool() throws -> ThreadPool {
        do throws(ThreadPoolError) {
            return try ThreadPool(threadCount: threads ?? ThreadPool.defaultThreadCount)
        } catch {
            throw UsageError(message: "--threads: \(error)")
        }
    }

    func instructionSet() throws -> InstructionSet {
        try InstructionSet.resolve(environment: ProcessInfo.processInfo.environment)
    }
}

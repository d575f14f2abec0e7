internal import Foundation
internal import KvasirNumerics

/// The most memory this process held at one time: resident, mapped files and what the allocator keeps for later included.
///
/// What was freed before is given back first, and code that was run before goes out, so that one measurement does not count
/// in the next.
public struct PeakMemory: Sendable, Hashable {
    /// The mark.
    public let bytes: Int
    /// Whether the mark was started anew where the measurement began; if not, it is of the whole process so far.
    public let isOfMeasurementAlone: Bool

    /// Runs `body` and returns what it gave, and the mark at its end; nil where the system tells none.
    public static func during<Value>(_ body: () throws -> Value) rethrows -> (value: Value, peak: PeakMemory?) {
        Heap.trim()
        ProcessMemory.releaseCode()
        let isRestarted = restart()
        let value = try body()
        return (value, highWaterMark.map { PeakMemory(bytes: $0, isOfMeasurementAlone: isRestarted) })
    }

    /// Starts the mark anew at what is held now; returns false where the system has no way to.
    private static func restart() -> Bool {
        #if os(Linux)
        guard let file = fopen("/proc/self/clear_refs", "w") else { return false }
        // The system refuses when the buffer is written out, at the latest when the file is closed.
        let isAccepted = fputs("5", file) >= 0
        return fclose(file) == 0 && isAccepted
        #else
        return false
        #endif
    }

    private static var highWaterMark: Int? {
        #if os(Linux)
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return nil }
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        let kibibytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
        return kibibytes.map { $0 * 1024 }
        #else
        var usage = rusage()
        // In bytes on macOS.
        return getrusage(RUSAGE_SELF, &usage) == 0 ? Int(usage.ru_maxrss) : nil
        #endif
    }
}

/// Turns the states of a pull into text for a terminal or a log.
///
/// A value without clock or output: the caller passes the time and writes what is returned. On a terminal it is one
/// line that is redrawn a few times a second; elsewhere one line at the start and one at the end.
public struct TerminalProgress: Sendable {
    private let isTerminal: Bool
    private let width: Int
    private var started: ContinuousClock.Instant?
    private var lastDrawn: ContinuousClock.Instant?
    private var lastPhase: PullProgress.Phase?
    private var samples: [(time: ContinuousClock.Instant, bytes: Int64)] = []
    private var largest: Int64 = 0

    /// The shortest time between two drawings.
    static let interval: Duration = .milliseconds(200)
    /// The time over which the speed is averaged.
    static let speedWindow: Duration = .seconds(5)

    /// Creates the text of one pull.
    ///
    /// - Parameters:
    ///   - isTerminal: Whether the line can be redrawn.
    ///   - width: Columns of the terminal; a longer line is cut.
    public init(isTerminal: Bool, width: Int = 80) {
        self.isTerminal = isTerminal
        self.width = max(width, 20)
    }

    /// Takes a state and returns what to write, if anything.
    public mutating func update(_ progress: PullProgress, at time: ContinuousClock.Instant) -> String? {
        let isFirst = started == nil
        if isFirst { started = time }
        let isNewPhase = lastPhase != progress.phase
        let isAfterWaiting = isNewPhase && lastPhase == .waiting
        if isNewPhase { samples = [] }
        lastPhase = progress.phase
        if progress.phase != .waiting { largest = max(largest, progress.totalBytes ?? progress.receivedBytes) }
        guard isTerminal else {
            let size = progress.totalBytes.map { " (\(Self.megabytes($0)) MB)" } ?? ""
            return isFirst || isAfterWaiting ? "\(progress.phase.rawValue) \(progress.name)\(size)\n" : nil
        }
        if !isNewPhase, let lastDrawn, time - lastDrawn < Self.interval { return nil }
        lastDrawn = time
        samples.append((time, progress.receivedBytes))
        // One sample from before the window stays, so that there is always something to measure from.
        while samples.count > 2, time - samples[1].time >= Self.speedWindow { samples.removeFirst() }
        return "\r\(Self.line(progress, bytesPerSecond: speed, width: width - 1))\u{1B}[K"
    }

    /// Returns the last line of a pull that succeeded; nil if nothing was written before it.
    public func finish(_ name: String, at time: ContinuousClock.Instant) -> String? {
        guard let started else { return nil }
        let seconds = Self.seconds(time - started)
        // Only waiting was ever reported if another process did the work.
        let line =
            largest == 0
            ? "\(name) was fetched by another process\n"
            : "fetched \(name) (\(Self.megabytes(largest)) MB) in \(Self.fixed(seconds)) s\n"
        return isTerminal ? "\r\(line.dropLast())\u{1B}[K\n" : line
    }

    /// Returns what leaves the terminal clean for an error message; nil if there is nothing to clean.
    public func abandon() -> String? {
        isTerminal && started != nil ? "\r\u{1B}[K" : nil
    }

    private var speed: Double? {
        guard let first = samples.first, let last = samples.last, last.bytes > first.bytes else { return nil }
        return Double(last.bytes - first.bytes) / Self.seconds(last.time - first.time)
    }

    /// Says how far a pull has come.
    ///
    /// The name gives way where there is not room for all: what moves is what matters.
    ///
    /// - Parameters:
    ///   - progress: The state.
    ///   - bytesPerSecond: The speed; nil while it is not known.
    ///   - width: Columns to keep to.
    /// - Returns: A line without its end.
    static func line(_ progress: PullProgress, bytesPerSecond: Double?, width: Int = .max) -> String {
        let state = state(progress, bytesPerSecond: bytesPerSecond)
        let room = max(width - state.count - 2, 8)
        let name = progress.name.count <= room ? progress.name : "\(progress.name.prefix(room - 1))…"
        return String("\(name): \(state)".prefix(width))
    }

    private static func state(_ progress: PullProgress, bytesPerSecond: Double?) -> String {
        if progress.phase == .waiting { return "another process is fetching it, waiting" }
        var parts = [progress.phase.rawValue]
        if let total = progress.totalBytes, total > 0 {
            let done = min(progress.receivedBytes, total)
            parts.append("\(done * 100 / total) %")
            parts.append("\(megabytes(done)) of \(megabytes(total)) MB")
        } else if progress.receivedBytes > 0 {
            parts.append("\(megabytes(progress.receivedBytes)) MB")
        }
        if progress.phase == .downloading, let bytesPerSecond, bytesPerSecond > 0 {
            parts.append("\(fixed(bytesPerSecond / 1e6)) MB/s")
            if let total = progress.totalBytes, total > progress.receivedBytes {
                parts.append("\(duration(Double(total - progress.receivedBytes) / bytesPerSecond)) left")
            }
        }
        return parts.joined(separator: "  ")
    }

    /// Returns bytes as megabytes (10^6) with one decimal.
    static func megabytes(_ bytes: Int64) -> String { fixed(Double(bytes) / 1e6) }

    /// Returns a time as a person says it: `8 s`, `3 min 20 s`, `2 h 5 min`.
    static func duration(_ seconds: Double) -> String {
        guard seconds < 360_000 else { return "days" }
        let whole = Int(seconds.rounded(.up))
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3600) h \(whole / 60 % 60) min"
    }

    private static func fixed(_ value: Double) -> String {
        let tenths = Int64((max(value, 0) * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    private static func seconds(_ duration: Duration) -> Double { duration / .seconds(1) }
}

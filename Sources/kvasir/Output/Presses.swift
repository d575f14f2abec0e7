import Synchronization

/// Counts how often Ctrl-C was pressed.
final class Presses: Sendable {
    private let count = Atomic<Int>(0)

    /// Counts one more, and returns how many there were.
    func another() -> Int { count.add(1, ordering: .relaxed).newValue }
}
